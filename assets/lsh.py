"""Locality-sensitive hashing: which texts share a band of their signatures and are worth comparing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from assets.minhash import Signatures, similarity
from assets.shingles import Hashes

Entries = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]

_PAIRS_AT_ONCE = 1 << 18
_GATHER = 1 << 14


@dataclass(frozen=True)
class BandIndex:
    """Entries by band key: `keys[b]` (bands, entries) sorted, `entries[b]` whose key each one is.

    The arrays may be memory-mapped: a probe reads the pages that binary search touches.
    """

    keys: Hashes
    entries: Entries

    @classmethod
    def of(cls, keys: Hashes) -> Self:
        """Index entries 0 … n - 1 with `keys` (bands, n)."""
        held, entries = np.empty_like(keys), np.empty(keys.shape, np.uint32)
        for band, of_band in enumerate(keys):
            entries[band] = np.argsort(of_band, kind="stable")
            held[band] = of_band[entries[band]]
        return cls(held, entries)

    def only(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """The index of the chosen entries alone, numbered anew in their order."""
        stays = chosen[self.entries]
        number = np.cumsum(chosen, dtype=np.int64) - 1
        shape = (len(self.keys), int(chosen.sum()))
        return type(self)(self.keys[stays].reshape(shape), number[self.entries[stays]].astype(np.uint32).reshape(shape))

    def candidates(self, keys: Hashes) -> Iterator[tuple[Positions, Positions]]:
        """All distinct pairs (query, entry) with a band in common, `keys` (bands, queries) being the queries'.

        Comes in blocks of whole queries, in their order, of about 2**18 pairs.
        """
        bands = range(len(keys))
        lower = np.stack([np.searchsorted(self.keys[band], keys[band], "left") for band in bands])
        upper = np.stack([np.searchsorted(self.keys[band], keys[band], "right") for band in bands])
        hits = upper - lower
        block = np.cumsum(hits.sum(axis=0)) // _PAIRS_AT_ONCE
        for queries in np.split(np.arange(len(block)), np.flatnonzero(np.diff(block)) + 1):
            hit = [_expand(queries, lower[band, queries], hits[band, queries], self.entries[band]) for band in bands]
            pairs = np.unique(np.concatenate(hit))
            if len(pairs):
                yield (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def pair_similarity(
    a: Signatures, of_a: npt.NDArray[np.integer], b: Signatures, of_b: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32]:
    """Similarity of the pairs (a[of_a[i]], b[of_b[i]]), gathered a block at a time."""
    estimates = np.empty(len(of_a), np.float32)
    for start in range(0, len(of_a), _GATHER):
        block = slice(start, start + _GATHER)
        estimates[block] = similarity(a[of_a[block]], b[of_b[block]])
    return estimates


def _expand(queries: Positions, first: Positions, hits: Positions, entries: Entries) -> Hashes:
    """Pairs as `query << 32 | entry`, for each query the entries at `first … first + hits - 1`."""
    asked = np.repeat(queries, hits)
    at = np.repeat(first - np.cumsum(hits) + hits, hits) + np.arange(len(asked))
    return (asked.astype(np.uint64) << np.uint64(32)) | entries[at].astype(np.uint64)
