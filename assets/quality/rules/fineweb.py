"""FineWeb's rules (Penedo et al. 2024, section 3.6), with limits that documentation passes."""

from functools import partial

from assets.documents import Document
from assets.quality.filters import Verdict, quality_filter
from assets.quality.rules.peer import Reasons, ask, repetition
from assets.quality.words import spaced_words


@quality_filter("fineweb")
def fineweb(
    document: Document,
    *,
    line_punct_thr: float = 0.03,
    line_punct_exclude_zero: bool = False,
    short_line_thr: float = 0.75,
    short_line_length: int = 30,
    char_duplicates_ratio: float = 0.45,
    new_line_ratio: float = 0.45,
) -> Verdict:
    """Drops lists: pages where next to no line is a sentence, nearly all are short, or many repeat.

    The paper's limits (0.12, 0.67, 0.01, 0.3) keep half of a package's module pages, since parameters and signatures
    repeat from function to function.
    """
    return ask(
        "FineWebQualityFilter",
        {**REASONS, "short_line_ratio": ("short_lines", partial(_short, short_line_length))},
        **locals(),
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _ended(text: str) -> float:
    from datatrove.utils.text import TERMINAL_PUNCTUATION

    return sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in _lines(text)) / len(_lines(text))


def _short(longest: int, text: str) -> float:
    return sum(len(line) <= longest for line in _lines(text)) / len(_lines(text))


def _repeated(text: str) -> float:
    return float(repetition().find_duplicates(_lines(text))[1] / len(text.replace("\n", "")))


REASONS: Reasons = {
    "line_punct_ratio": ("no_full_stops", _ended),
    "char_dup_ratio": ("same_line_text", _repeated),
    "list_ratio": ("list", lambda text: text.count("\n") / len(spaced_words(text))),
}
