"""Groups are the connected components of all similar pairs that share a band, at the cost of comparing few of them."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from assets.dedup import groups
from assets.dedup.groups import near_duplicate_groups
from assets.lsh import BandIndex, pair_similarity
from assets.minhash import MinHash


def grouped(signatures, minhash, min_similarity):
    index = BandIndex.of(minhash.band_keys(signatures))
    return near_duplicate_groups(signatures, index, min_similarity, lambda bands: None)


@pytest.mark.parametrize("values", [2, 3, 5])
@pytest.mark.parametrize("min_similarity", [0.5, 0.75])
def test_groups_are_what_comparing_all_pairs_gives(values, min_similarity):
    minhash = MinHash(bands=4, rows=3, seed=0)
    signatures = np.random.default_rng(values).integers(0, values, (150, 12), np.uint16)
    equal = signatures[:, None] == signatures[None]
    share_band = equal.reshape(150, 150, 4, 3).all(axis=3).any(axis=2)
    _, components = connected_components(share_band & (equal.mean(axis=2) >= min_similarity))
    smallest = [int(np.flatnonzero(components == component)[0]) for component in components]
    assert grouped(signatures, minhash, min_similarity).tolist() == smallest


def test_no_texts_and_one_text_are_their_own_groups():
    minhash = MinHash(bands=4, rows=3, seed=0)
    for count in (0, 1):
        assert grouped(np.zeros((count, 12), np.uint16), minhash, 0.5).tolist() == list(range(count))


def test_many_near_duplicates_in_one_bucket_cost_one_comparison_each(monkeypatch):
    compared = 0

    def counting(a, of_a, b, of_b):
        nonlocal compared
        compared += len(of_a)
        return pair_similarity(a, of_a, b, of_b)

    monkeypatch.setattr(groups, "pair_similarity", counting)
    signatures = np.tile(np.arange(112, dtype=np.uint16), (5000, 1))
    signatures[:, 111] = np.arange(5000)
    assert not grouped(signatures, MinHash(16, 7, 0), 0.7).any()
    assert compared == 4999
