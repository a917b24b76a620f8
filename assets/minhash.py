"""MinHash: fixed-size signatures whose agreement estimates the Jaccard similarity of shingle sets."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from assets.shingles import Hashes, Shingles, mix

Signatures = npt.NDArray[np.uint16]

# Shingles per block: hashes of a block stay in the cache of a core while each function passes over them.
_BLOCK = 1 << 15
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class MinHash:
    """MinHash with `bands * rows` hash functions, and the keys of locality-sensitive hashing by bands.

    The functions are `(a x + b) mod 2**32`, a odd, over the upper half of a shingle's hash. A
    signature keeps the lower 16 bits of each minimum (b-bit minwise hashing; Li & König, 2010),
    which adds at most 2**-16 to an estimate and halves the index.
    """

    bands: int
    rows: int
    seed: int

    def signatures(self, shingles: Shingles) -> Signatures:
        """The signatures of texts: (texts, bands * rows)."""
        count = self.bands * self.rows
        draws = mix(
            (np.arange(1, 2 * count + 1, dtype=np.uint64) + mix(np.array([self.seed], np.uint64))) * _MULTIPLIER
        )
        factors, terms = (draws >> np.uint64(32)).astype(np.uint32).reshape(2, count)
        factors |= np.uint32(1)
        values = (shingles.hashes >> np.uint64(32)).astype(np.uint32)
        signatures = np.empty((len(shingles), count), np.uint16)
        for first, last in _blocks(shingles):
            begin, end = shingles.offsets[first], shingles.offsets[last]
            block, starts = values[begin:end], shingles.offsets[first:last] - begin
            hashed, minima = np.empty_like(block), np.empty((count, last - first), np.uint32)
            for number in range(count):
                np.multiply(block, factors[number], out=hashed)
                np.add(hashed, terms[number], out=hashed)
                np.minimum.reduceat(hashed, starts, out=minima[number])
            signatures[first:last] = minima.T  # keeps the lower 16 bits
        return signatures

    def band_keys(self, signatures: Signatures) -> Hashes:
        """One 64-bit key for each band of each signature: (bands, texts); equal where the band's rows are."""
        banded = signatures.reshape(len(signatures), self.bands, self.rows)
        keys = np.zeros((self.bands, len(signatures)), np.uint64)
        for row in range(self.rows):
            keys *= _MULTIPLIER
            keys += banded[:, :, row].T
            mix(keys)
        return keys


def similarity(a: Signatures, b: Signatures) -> npt.NDArray[np.float32]:
    """Estimate the Jaccard similarity of texts from their signatures, pair by pair.

    The share of equal minima, unbiased with standard error sqrt(s (1 - s) / k) for k hash
    functions (Broder, 1997). Shapes (…, k) and (…, k) give (…).
    """
    equal = np.count_nonzero(a == b, axis=-1)
    return np.asarray(equal / np.float32(a.shape[-1]), np.float32)


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """How likely two texts of this similarity agree in a whole band and so are compared at all.

    `1 - (1 - s**rows)**bands` (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4).
    """
    return float(1 - (1 - similarity**rows) ** bands)


def _blocks(shingles: Shingles) -> list[tuple[int, int]]:
    """Ranges of whole texts of about `_BLOCK` shingles; a longer text is a block of its own."""
    cuts = np.unique(np.searchsorted(shingles.offsets, np.arange(0, shingles.offsets[-1], _BLOCK)))
    bounds = [*cuts.tolist(), len(shingles)]
    return [(a, b) for a, b in pairwise(bounds) if a < b]
