"""What of a request the monitors look at: the text that was asked, its make-up, and its words."""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from assets.vocabulary import SPECIAL_TOKENS

Array = NDArray[np.float64]

STATISTICS = (
    "characters",
    "words",
    "characters per word",
    "distinct words",
    "lines",
    "capitals",
    "digits",
    "punctuation",
    "dots and underscores",
    "beyond ASCII",
)
CACHED = 4096  # texts; a reference is compared with window after window
_MARKS = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
_WORD = re.compile(r"[^\W\d_]+")
_CAPITAL_WITHIN = re.compile(r"(?<=[a-z])(?=[A-Z])")


def asked_text(prompt: str) -> str:
    """A logged prompt without the special tokens of the chat template, which say who speaks and not what is asked.

    >>> asked_text("<|user|>What is a sluice?<|end|><|assistant|>")
    'What is a sluice?'
    """
    return _MARKS.sub("\n", prompt).strip()


@lru_cache(maxsize=CACHED)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case; dotted, underscored and camel-cased names come apart.

    >>> words_of("What does np.flatNonzero do?")
    ('what', 'does', 'np', 'flat', 'nonzero', 'do')
    """
    return tuple(word.lower() for word in _WORD.findall(_CAPITAL_WITHIN.sub(" ", text)))


def text_statistics(texts: Sequence[str]) -> Array:
    """Length and make-up of each text, (texts, STATISTICS); kinds of characters as shares of the text."""
    return np.array([_statistics(text) for text in texts], dtype=np.float64).reshape(-1, len(STATISTICS))


@lru_cache(maxsize=CACHED)
def _statistics(text: str) -> tuple[float, ...]:
    words = text.split()
    length = max(len(text), 1)
    return (
        len(text),
        len(words),
        sum(map(len, words)) / max(len(words), 1),
        len(set(words)) / max(len(words), 1),
        text.count("\n") + 1,
        sum(map(str.isupper, text)) / length,
        sum(map(str.isdigit, text)) / length,
        sum(not (c.isalnum() or c.isspace() or c in "._") for c in text) / length,
        (text.count(".") + text.count("_")) / length,
        sum(c > "\x7f" for c in text) / length,
    )


def word_presence(texts: Sequence[str]) -> tuple[csr_matrix, list[str]]:
    """Which texts have which words: 1.0 in (texts, words), sparse, and the words in alphabetical order."""
    found = [sorted(set(words_of(text))) for text in texts]
    names = sorted({word for words in found for word in words})
    column = {word: place for place, word in enumerate(names)}
    columns = np.array([column[word] for words in found for word in words], dtype=np.int64)
    ends = np.cumsum([0, *map(len, found)])
    return csr_matrix((np.ones(columns.size), columns, ends), shape=(len(texts), len(names))), names
