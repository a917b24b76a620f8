"""The rules of Gopher, C4 and FineWeb as datatrove has them, with limits that documentation passes.

The papers' limits are made for articles. On 4,344 docstrings of 24 packages Gopher's drop more than half: code has
symbols, parameter lists repeat, and in 40 words one long name is a fifth of the text. datatrove's filters are fed our
words, and their verdicts renamed and measured; a rule has the parameters of datatrove's class and hands on its
`locals()`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Annotated, Any

from pydantic import Field

from assets.documents import Document
from assets.quality.filters import Verdict, quality_filter
from assets.quality.words import SENTENCE_END, plain_words, spaced_words

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with", "is", "in", "for", "or")
Limits = tuple[tuple[Annotated[int, Field(ge=1, le=20)], float], ...]
"""Pairs of n and the largest share of the text's characters that n-grams may take."""
Reasons = Mapping[str, tuple[str, Callable[[str], float]]]
"""datatrove's name of a reason → ours, and how to measure what decided (only dropped documents are measured)."""


@quality_filter("gopher_quality")
def gopher_quality(
    document: Document,
    *,
    min_doc_words: int = 20,
    max_doc_words: int = 100_000,
    min_avg_word_length: int = 3,
    max_avg_word_length: int = 13,
    max_symbol_word_ratio: float = 0.25,
    max_bullet_lines_ratio: float = 0.9,
    max_ellipsis_lines_ratio: float = 0.3,
    max_non_alpha_words_ratio: float = 0.6,
    min_stop_words: int = 1,
    stop_words: tuple[str, ...] = STOP_WORDS,
) -> Verdict:
    """Drops stubs, walls of symbols, lists of links, number dumps, and text without one word of English grammar.

    Rae et al. 2021, appendix A. `max_non_alpha_words_ratio` keeps the name that it has in datatrove: it is the least
    share of words with a letter.
    """
    return _ask(
        "GopherQualityFilter",
        {"gopher_enough_stop_words": ("stop_words", lambda text: len(set(stop_words) & {*spaced_words(text)}))},
        **locals(),
    )


@quality_filter("gopher_repetition")
def gopher_repetition(
    document: Document,
    *,
    dup_line_frac: float = 0.5,
    dup_para_frac: float = 0.4,
    dup_line_char_frac: float = 0.45,
    dup_para_char_frac: float = 0.4,
    top_n_grams: Limits = ((2, 0.35), (3, 0.38), (4, 0.4)),
    dup_n_grams: Limits = ((5, 0.5), (6, 0.5), (7, 0.48), (8, 0.47), (9, 0.46), (10, 0.45)),
) -> Verdict:
    """Drops text that says the same again: repeated lines and paragraphs, one phrase over and over."""
    return _ask("GopherRepetitionFilter", {}, **locals())


@quality_filter("c4")
def c4(
    document: Document,
    *,
    filter_no_terminal_punct: bool = False,
    min_num_sentences: int = 2,
    min_words_per_line: int = 2,
    max_word_length: int = 1000,
    filter_lorem_ipsum: bool = True,
    filter_javascript: bool = False,
    filter_curly_bracket: bool = False,
    filter_policy: bool = True,
) -> Verdict:
    """Drops placeholder text, and pages with too few sentences once menus and cookie lines do not count.

    Raffel et al. 2020, section 2.2, as a judge of whole documents: lines are never taken out of a text. The paper also
    counts only lines that end in a full stop, and drops every page with a brace: on documentation that is nearly all
    of it (parameter lists, dict literals), so both are off until the spec asks.
    """
    return _ask("C4QualityFilter", {}, **locals())


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

    Penedo et al. 2024, section 3.6. The paper's limits (0.12, 0.67, 0.01, 0.3) keep half of a package's module pages,
    since parameters and signatures repeat from function to function.
    """
    return _ask(
        "FineWebQualityFilter", {"short_line_ratio": ("short_lines", partial(_short, short_line_length))}, **locals()
    )


def _ask(name: str, own: Reasons, *, document: Document, **settings: Any) -> Verdict:
    """What datatrove's filter class `name` says of a copy of a document; `own` are reasons measured by the settings."""
    from datatrove.data import Document as Copy

    verdict = _filter(name, tuple(sorted(settings.items()))).filter(Copy(text=document.text, id=document.id))
    if verdict is True:
        return None
    reason, measure = {**_REASONS, **own}[verdict[1]]
    return reason, round(measure(document.text), 4)


@cache
def _filter(name: str, settings: tuple[tuple[str, Any], ...]) -> Any:
    # Imported at the first document: datatrove takes most of a second, and the spec must load without it.
    from datatrove.pipeline import filters

    return getattr(filters, name)(language=_tokenizer(), **dict(settings))


@cache
def _tokenizer() -> Any:
    """Our words in datatrove's interface; its own English ones need spaCy, ten times as slow."""
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Words(WordTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return spaced_words(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text[start:end] for start, end in self.span_tokenize(text)]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            ends = [*(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
            return [span for span in zip([0, *ends], ends, strict=False) if span[0] < span[1]]

    return Words()


def _repetition() -> Any:
    """datatrove's counts of repeated text."""
    from datatrove.pipeline.filters import gopher_repetition_filter

    return gopher_repetition_filter


def _share(hits: Iterable[bool]) -> float:
    marks = list(hits)
    return sum(marks) / max(len(marks), 1)


def _word_count(text: str) -> float:
    return sum(bool(plain_words(word)) for word in spaced_words(text))


def _word_length(text: str) -> float:
    lengths = [len(word) for word in spaced_words(text) if plain_words(word)]
    return sum(lengths) / max(len(lengths), 1)


def _repeated_parts(split: Callable[[str], list[str]], text: str) -> float:
    return float(_repetition().find_duplicates(split(text))[0] / len(split(text)))


def _repeated_characters(split: Callable[[str], list[str]], text: str) -> float:
    return float(_repetition().find_duplicates(split(text))[1] / len(text))


def _top_phrase(n: int, text: str) -> float:
    phrases = _repetition().get_n_grams(spaced_words(text), n)
    return float(_repetition().find_top_duplicate(phrases) / len(text))


def _repeated_phrases(n: int, text: str) -> float:
    return float(_repetition().find_all_duplicate(spaced_words(text), n) / len(text))


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n{2,}", text.strip())


def _full_lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _ended(text: str) -> float:
    from datatrove.utils.text import TERMINAL_PUNCTUATION

    return _share(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in _full_lines(text))


def _short(longest: int, text: str) -> float:
    return _share(len(line) <= longest for line in _full_lines(text))


def _repeated_lines(text: str) -> float:
    return float(_repetition().find_duplicates(_full_lines(text))[1] / len(text.replace("\n", "")))


_lines = re.compile(r"\n+").split
_PHRASES = range(1, 21)
_ENDS = ("...", "…")
_REASONS: Reasons = {
    "gopher_short_doc": ("too_short", _word_count),
    "gopher_long_doc": ("too_long", _word_count),
    "gopher_below_avg_threshold": ("short_words", _word_length),
    "gopher_above_avg_threshold": ("long_words", _word_length),
    "gopher_too_many_hashes": ("hashes", lambda text: text.count("#") / len(spaced_words(text))),
    "gopher_too_many_ellipsis": ("ellipses", lambda t: (t.count("...") + t.count("…")) / len(spaced_words(t))),
    "gopher_too_many_bullets": ("bullets", lambda t: _share(x.lstrip().startswith(("•", "-")) for x in t.splitlines())),
    "gopher_too_many_end_ellipsis": ("cut_lines", lambda t: _share(x.rstrip().endswith(_ENDS) for x in t.splitlines())),
    "gopher_below_alpha_threshold": (
        "few_letters",
        lambda text: _share(any(map(str.isalpha, word)) for word in spaced_words(text)),
    ),
    "dup_para_frac": ("same_paragraphs", partial(_repeated_parts, _paragraphs)),
    "dup_para_char_frac": ("same_paragraph_text", partial(_repeated_characters, _paragraphs)),
    "dup_line_frac": ("same_lines", partial(_repeated_parts, _lines)),
    "dup_line_char_frac": ("same_line_text", partial(_repeated_characters, _lines)),
    **{f"top_{n}_gram": (f"top_{n}_gram", partial(_top_phrase, n)) for n in _PHRASES},
    **{f"duplicated_{n}_n_grams": (f"same_{n}_grams", partial(_repeated_phrases, n)) for n in _PHRASES},
    "too_few_sentences": ("few_sentences", lambda text: len([part for part in SENTENCE_END.split(text) if part])),
    "lorem_ipsum": ("lorem_ipsum", lambda text: text.lower().count("lorem ipsum")),
    "curly_bracket": ("curly_bracket", lambda text: text.count("{")),
    "line_punct_ratio": ("no_full_stops", _ended),
    "char_dup_ratio": ("same_line_text", _repeated_lines),
    "list_ratio": ("list", lambda text: text.count("\n") / len(spaced_words(text))),
}
