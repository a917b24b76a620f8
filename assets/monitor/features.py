"""What of a request the monitors look at: the text that was asked, its make-up, and its words."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Words:
    """Which texts have which words: `counts` (texts, words), sparse; `names` the words in alphabetical order."""

    counts: csr_matrix
    names: list[str]

    @property
    def presence(self) -> csr_matrix:
        """1.0 where a text has a word, (texts, words)."""
        present = self.counts.copy()
        present.data[:] = 1.0
        return present

    def similarities(self) -> csr_matrix:
        """Cosine of the TF-IDF vectors of every two texts, (texts, texts); weights as in Salton and Buckley, 1988."""
        texts = self.counts.shape[0]
        weights = self.counts.copy()
        weights.data = 1.0 + np.log(weights.data)
        with_word = np.bincount(weights.indices, minlength=len(self.names))
        weights = weights.multiply(1.0 + np.log((1 + texts) / (1 + with_word))).tocsr()
        norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
        weights = csr_matrix(weights.multiply(1 / np.where(norms > 0, norms, 1.0)[:, None]))
        return csr_matrix(weights @ weights.T)


def count_words(texts: Sequence[str]) -> Words:
    """Count the words of each text."""
    found = [Counter(words_of(text)) for text in texts]
    names = sorted({word for counter in found for word in counter})
    column = {word: place for place, word in enumerate(names)}
    ends = np.cumsum([0, *(len(counter) for counter in found)])
    columns = np.array([column[word] for counter in found for word in counter], dtype=np.int64)
    data = np.array([count for counter in found for count in counter.values()], dtype=np.float64)
    return Words(csr_matrix((data, columns, ends), shape=(len(texts), len(names))), names)
