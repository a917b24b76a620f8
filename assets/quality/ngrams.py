"""Word n-grams of a text as 64-bit hashes, for finding what two texts share."""

from __future__ import annotations

from functools import cache

import numpy as np

from assets.quality.words import plain_words
from assets.shingles import Hashes, Shingler

SEED = 0


def ngram_hashes(text: str, n: int) -> Hashes:
    """Hashes of the distinct word n-grams of a text, ascending; none where it has fewer than n words.

    Words are those of `plain_words`, so case, layout and punctuation do not hide a copy.
    """
    words = plain_words(text)
    if len(words) < n:
        return np.empty(0, np.uint64)
    return np.unique(_shingler(n).cut([" ".join(words)]).of(0))


@cache
def _shingler(n: int) -> Shingler:
    return Shingler(length=n, seed=SEED)
