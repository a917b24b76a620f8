"""Gopher's rules (Rae et al. 2021, appendix A), with limits that documentation passes.

The paper's limits are made for articles. On 4,344 docstrings of 24 packages they drop more than half: code has symbols,
parameter lists repeat, and in 40 words one long name is a fifth of the text.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

from pydantic import Field

from assets.documents import Document
from assets.quality.filters import Verdict, quality_filter
from assets.quality.rules.peer import Reasons, ask, repetition
from assets.quality.words import plain_words, spaced_words

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with", "is", "in", "for", "or")
Limits = tuple[tuple[Annotated[int, Field(ge=1, le=20)], float], ...]
"""Pairs of n and the largest share of the text's characters that n-grams may take."""


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

    `max_non_alpha_words_ratio` keeps the name that it has in datatrove: it is the least share of words with a letter.
    """
    return ask(
        "GopherQualityFilter",
        {
            **QUALITY,
            "gopher_enough_stop_words": ("stop_words", lambda text: len(set(stop_words) & {*spaced_words(text)})),
        },
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
    return ask(
        "GopherRepetitionFilter",
        REPETITION,
        **locals(),
    )


def _share(hits: Iterable[bool]) -> float:
    marks = list(hits)
    return sum(marks) / max(len(marks), 1)


def _word_count(text: str) -> float:
    return sum(bool(plain_words(word)) for word in spaced_words(text))


def _word_length(text: str) -> float:
    lengths = [len(word) for word in spaced_words(text) if plain_words(word)]
    return sum(lengths) / max(len(lengths), 1)


ENDS = ("...", "…")
QUALITY: Reasons = {
    "gopher_short_doc": ("too_short", _word_count),
    "gopher_long_doc": ("too_long", _word_count),
    "gopher_below_avg_threshold": ("short_words", _word_length),
    "gopher_above_avg_threshold": ("long_words", _word_length),
    "gopher_too_many_hashes": ("hashes", lambda text: text.count("#") / len(spaced_words(text))),
    "gopher_too_many_ellipsis": ("ellipses", lambda t: (t.count("...") + t.count("…")) / len(spaced_words(t))),
    "gopher_too_many_bullets": ("bullets", lambda t: _share(x.lstrip().startswith(("•", "-")) for x in t.splitlines())),
    "gopher_too_many_end_ellipsis": ("cut_lines", lambda t: _share(x.rstrip().endswith(ENDS) for x in t.splitlines())),
    "gopher_below_alpha_threshold": (
        "few_letters",
        lambda t: _share(any(map(str.isalpha, w)) for w in spaced_words(t)),
    ),
}


def _repeated_parts(split: Callable[[str], list[str]], text: str) -> float:
    return float(repetition().find_duplicates(split(text))[0] / len(split(text)))


def _repeated_characters(split: Callable[[str], list[str]], text: str) -> float:
    return float(repetition().find_duplicates(split(text))[1] / len(text))


def _top_phrase(n: int, text: str) -> float:
    phrases = repetition().get_n_grams(spaced_words(text), n)
    return float(repetition().find_top_duplicate(phrases) / len(text))


def _repeated_phrases(n: int, text: str) -> float:
    return float(repetition().find_all_duplicate(spaced_words(text), n) / len(text))


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n{2,}", text.strip())


_lines = re.compile(r"\n+").split
PHRASES = range(1, 21)
REPETITION: Reasons = {
    "dup_para_frac": ("same_paragraphs", partial(_repeated_parts, _paragraphs)),
    "dup_para_char_frac": ("same_paragraph_text", partial(_repeated_characters, _paragraphs)),
    "dup_line_frac": ("same_lines", partial(_repeated_parts, _lines)),
    "dup_line_char_frac": ("same_line_text", partial(_repeated_characters, _lines)),
    **{f"top_{n}_gram": (f"top_{n}_gram", partial(_top_phrase, n)) for n in PHRASES},
    **{f"duplicated_{n}_n_grams": (f"same_{n}_grams", partial(_repeated_phrases, n)) for n in PHRASES},
}
