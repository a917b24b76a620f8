"""Groups of near-duplicates: connected components of the pairs that share a band and prove similar."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assets.lsh import BandIndex, pair_similarity
from assets.minhash import Signatures

Labels = npt.NDArray[np.int64]


def near_duplicate_groups(
    signatures: Signatures, index: BandIndex, min_similarity: float, report: Callable[[int], None]
) -> Labels:
    """Label each entry with the smallest entry of its group.

    Exactly the components that comparing all pairs of each bucket would give, but pairs that are
    joined already are not compared: a bucket of *m* near-duplicates costs *m* comparisons, one
    of *m* texts that share nothing but the band costs m² / 2. Memory is linear in the entries.
    `report` gets the number of bands done.
    """
    labels = np.arange(len(signatures), dtype=np.int64)
    for done, (keys, entries) in enumerate(zip(index.keys, index.entries, strict=True), start=1):
        bucket = np.concatenate([np.zeros(1, np.int64), np.cumsum(keys[1:] != keys[:-1])])[: len(keys)]
        labels = _join_buckets(labels, bucket, entries.astype(np.int64), signatures, min_similarity)
        report(done)
    return labels


def _join_buckets(
    labels: Labels,
    bucket: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    signatures: Signatures,
    min_similarity: float,
) -> Labels:
    """Join the similar members of each bucket (`bucket` sorted), in rounds.

    In a round the first member of each bucket is the pivot: it meets all others that are not of
    its group yet, and leaves. A bucket whose members are all of one group is done.
    """
    while len(members):
        starts = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
        sizes = np.diff(starts, append=len(members))
        pivots = np.repeat(members[starts], sizes)
        apart = labels[members] != labels[pivots]
        similar = pair_similarity(signatures, pivots[apart], signatures, members[apart]) >= np.float32(min_similarity)
        goes_on = np.repeat(np.logical_or.reduceat(apart, starts), sizes)
        goes_on[starts] = False
        labels = _merge(labels, pivots[apart][similar], members[apart][similar])
        bucket, members = bucket[goes_on], members[goes_on]
    return labels


def _merge(labels: Labels, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Labels:
    if not len(a):
        return labels
    groups, ends = np.unique(np.stack([labels[a], labels[b]]), return_inverse=True)
    one, other = ends.reshape(2, -1)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(groups), len(groups)))
    count, component = connected_components(graph, directed=False)
    smallest = np.full(count, len(labels), np.int64)
    np.minimum.at(smallest, component, groups)
    renamed = np.arange(len(labels), dtype=np.int64)
    renamed[groups] = smallest[component]
    return renamed[labels]
