"""Shingles: the overlapping runs of words that show whether two texts share wording, as stable 64-bit hashes."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128_digest

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

# Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han: written without spaces between words, unlike Hangul.
UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
_WORDS = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")

_MULTIPLIER = 0x9E3779B97F4A7C15
_INVERSE = pow(_MULTIPLIER, -1, 1 << 64)
_SPACES = np.frombuffer(b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ", np.uint8)
_RUN_BYTES = 1 << 18


def spaced(text: str) -> str:
    """The words of a text as comparison sees them: case folded, Unicode NFC, separated by ASCII whitespace.

    In scripts written without spaces each character is a word, so that a shingle of five words is
    the character 5-gram that is usual there. Punctuation stays with its word.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFC", text.casefold())
    return " ".join(_WORDS.findall(folded) if _HAS_UNSPACED.search(folded) else folded.split())


@dataclass(frozen=True)
class Shingles:
    """The shingles of several texts: those of text *i* are `hashes[offsets[i] : offsets[i + 1]]`.

    `hashes` (uint64, in reading order, repeats included) has at least one entry a text. `digests`
    (texts, 2) are 128-bit hashes of each text's words: equal where all words are, in order.
    """

    hashes: Hashes
    offsets: Offsets
    digests: Hashes

    def __len__(self) -> int:
        return len(self.digests)

    def of(self, text: int) -> Hashes:
        return self.hashes[self.offsets[text] : self.offsets[text + 1]]


class Shingler:
    """Cuts texts into shingles of `length` words and hashes them, the same on every platform.

    ```python
    shingles = Shingler(length=5, seed=1).cut(["One text.", "Another one."])
    ```

    A word's hash is a polynomial of its UTF-8 bytes modulo 2**64, each byte replaced by a random
    number drawn from `seed` (Karp & Rabin, 1987), then mixed; a shingle's is the same of its words.
    Polynomials let numpy hash all words of many texts at once, several times as fast as looking each
    word up. A text with fewer words than a shingle, the empty one included, is one shingle as a whole.
    """

    def __init__(self, length: int, seed: int):
        self.length = length
        # Whitespace counts zero, so that a word may be summed up to where the next one starts; nothing else does.
        self._byte_values = mix(np.arange(256, dtype=np.uint64) + mix(np.array([seed], np.uint64))) | np.uint64(1)
        self._byte_values[_SPACES] = 0
        self._is_space = np.isin(np.arange(256), _SPACES)
        self._powers = self._inverse_powers = np.empty(0, np.uint64)

    def cut(self, texts: Iterable[str]) -> Shingles:
        """The shingles of these texts; scratch memory is some 30 bytes a byte of the longest one."""
        hashed = [self._hash_words(run) for run in _runs(texts)]
        flat = np.concatenate([np.empty(0, np.uint64), *(hashes for hashes, _ in hashed)])
        counts = np.concatenate([np.empty(0, np.int64), *(count for _, count in hashed)])
        starts = _offsets(counts)
        digests = _digests(flat, starts)
        shingles = np.maximum(counts - self.length + 1, 1)
        offsets = _offsets(shingles)
        at = np.arange(offsets[-1]) + np.repeat(starts[:-1] - offsets[:-1], shingles)
        hashes = self._roll(flat)[at]
        short = counts < self.length
        hashes[offsets[:-1][short]] = digests[short, 1]
        return Shingles(hashes, offsets, digests)

    def _hash_words(self, texts: list[bytes]) -> tuple[Hashes, Offsets]:
        """The hashes of all words of these texts, and how many words each text has."""
        joined = np.frombuffer(b" " + b" ".join(texts), np.uint8)
        self._reach(len(joined))
        is_space = self._is_space[joined]
        starts = np.flatnonzero(is_space[:-1] > is_space[1:]) + 1
        values = self._byte_values[joined]
        values *= self._powers[: len(joined)]
        hashes = np.add.reduceat(values, starts) if len(starts) else np.empty(0, np.uint64)
        hashes *= self._inverse_powers[starts]  # as if each word began at position zero
        begins = _offsets(np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))) + 1
        return mix(hashes), np.diff(np.searchsorted(starts, begins))

    def _reach(self, length: int) -> None:
        if length > len(self._powers):
            self._powers, self._inverse_powers = (
                np.multiply.accumulate(np.full(length, factor, np.uint64)) for factor in (_MULTIPLIER, _INVERSE)
            )

    def _roll(self, flat: Hashes) -> Hashes:
        """The hash of the `length` words from each position on; the last ones reach into padding."""
        padded = np.concatenate([flat, np.zeros(self.length, np.uint64)])
        rolled = padded[: len(flat) + 1].copy()
        for step in range(1, self.length):
            rolled *= np.uint64(_MULTIPLIER)
            rolled += padded[step : step + len(rolled)]
        return mix(rolled)


def mix(values: Hashes) -> Hashes:
    """Spread each value's bits over all 64, in place (the finaliser of SplitMix64; Steele et al., 2014)."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _runs(texts: Iterable[str]) -> Iterator[list[bytes]]:
    """Texts as UTF-8, several at a time up to a size that stays in a core's cache."""
    run: list[bytes] = []
    size = 0
    for text in texts:
        encoded = spaced(text).encode("utf-8", "surrogatepass")
        if run and size + len(encoded) > _RUN_BYTES:
            yield run
            run, size = [], 0
        run.append(encoded)
        size += len(encoded)
    if run:
        yield run


def _offsets(counts: Offsets) -> Offsets:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _digests(flat: Hashes, starts: Offsets) -> Hashes:
    stored = flat.astype("<u8", copy=False).view(np.uint8).data
    bounds = (starts * 8).tolist()
    digests = b"".join(xxh3_128_digest(stored[a:b]) for a, b in pairwise(bounds))
    return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
