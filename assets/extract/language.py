"""The language of a text, by the model that ships with py3langid; unsure where it is unsure."""

from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED = "und"
SAMPLE_CHARACTERS = 1000
MIN_PROSE_WORDS = 4


def identify_language(text: str, min_score: float) -> tuple[str, float]:
    """Language (ISO 639) and its probability; `und` (ISO 639-2) with a probability below `min_score`.

    Judged on the text's first thousand characters of prose: lines of code and lists of names say
    little about a language. Probabilities are softened by the square root of the length, so that
    short texts do not come out sure (py3langid's `norm_probs`); a text without letters has none.
    """
    sample = _prose(text)
    if not any(character.isalpha() for character in sample):
        return UNDETERMINED, 0.0
    language, score = _identifier().classify(sample)
    # Rounding hides differences in the last bits of the matrix product between machines.
    score = min(1.0, round(float(score), 4))
    return (language if score >= min_score else UNDETERMINED), score


def _prose(text: str) -> str:
    taken: list[str] = []
    room, in_code = SAMPLE_CHARACTERS, False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
            continue
        if in_code or line.lstrip().startswith((">>>", "...")) or len(line.split()) < MIN_PROSE_WORDS:
            continue
        taken.append(line[:room])
        room -= len(line)
        if room <= 0:
            break
    return "\n".join(taken) or text[:SAMPLE_CHARACTERS]


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
