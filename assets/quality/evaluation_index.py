"""Word n-grams as 64-bit hashes: of everything that the model is judged on, and how much of it a document holds."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from assets.quality.words import plain_words
from assets.shingles import Hashes, Shingler

Owners = npt.NDArray[np.int32]
_FILES = ("hashes", "owners", "sizes")


def ngram_hashes(text: str, n: int) -> Hashes:
    """Hashes of the distinct word n-grams of a text, ascending; none where it has fewer than n words.

    Words are those of `plain_words`, so case, layout and punctuation do not hide a copy.
    """
    words = plain_words(text)
    return np.unique(_shingler(n).cut([" ".join(words)]).of(0)) if len(words) >= n else np.empty(0, np.uint64)


@cache
def _shingler(n: int) -> Shingler:
    return Shingler(length=n, seed=0)


@dataclass(frozen=True)
class EvaluationIndex:
    """Sorted n-gram hashes (`hashes`), the evaluation document of each (`owners`), and how many each has (`sizes`)."""

    hashes: Hashes
    owners: Owners
    sizes: Owners

    @classmethod
    def of(cls, hashes: Hashes, sizes: npt.NDArray[np.int64]) -> Self:
        """An index of documents, given by their distinct hashes one after the other and the number of each."""
        owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], owners[order], sizes.astype(np.int32))

    def without(self, boilerplate: Hashes) -> Self:
        """The same index with these n-grams no longer in it; the sizes shrink with them."""
        keep = ~np.isin(self.hashes, boilerplate)
        owners = self.owners[keep]
        sizes = np.bincount(owners, minlength=len(self.sizes)).astype(np.int32)
        return type(self)(self.hashes[keep], owners, sizes)

    def matched(self, hashes: Hashes) -> Hashes:
        """Those of a document's distinct n-grams that some evaluation document has."""
        if not len(self.hashes):
            return hashes[:0]
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        found: Hashes = hashes[self.hashes[at] == hashes]
        return found

    def largest_overlap(self, hashes: Hashes, least: int) -> float:
        """The largest share of n-grams in common with one evaluation document, 0 where fewer than `least` are.

        The share is of the shorter of the two (the overlap coefficient; Szymkiewicz, 1934), so a whole evaluation
        document inside a long page counts as 1.
        """
        found = self.matched(hashes)
        if len(found) < least:
            return 0.0
        starts, stops = (np.searchsorted(self.hashes, found, side=side) for side in ("left", "right"))
        owners = np.concatenate([self.owners[start:stop] for start, stop in zip(starts, stops, strict=True)])
        documents, shared = np.unique(owners, return_counts=True)
        shares = shared / np.minimum(self.sizes[documents], len(hashes))
        return float(np.max(shares, where=shared >= least, initial=0.0))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a saved index as memory maps, so that workers share its pages."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES))
