"""What MinHash estimates, computed in full."""

import numpy as np

from assets.shingles import Hashes


def exact_jaccard(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two texts' shingle sets; what a MinHash signature estimates."""
    left, right = np.unique(a), np.unique(b)
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared)
