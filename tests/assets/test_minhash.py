"""MinHash estimates Jaccard similarity as theory and datasketch do, and bands find the pairs that they should."""

import datasketch
import numpy as np
import pytest

from assets.lsh import BandIndex, pair_similarity
from assets.minhash import MinHash, candidate_probability, similarity
from assets.shingles import Shingler, Shingles
from tests.jaccard import exact_jaccard


def sets_with_similarity(shared: int, own: int, pairs: int, seed: int) -> tuple[Shingles, Shingles, float]:
    """Pairs of random sets of `shared` common elements and `own` of each side's own."""
    draw = np.random.default_rng(seed)
    common = draw.integers(0, 2**64, (pairs, shared), np.uint64)
    sides = [np.hstack([common, draw.integers(0, 2**64, (pairs, own), np.uint64)]) for _ in range(2)]
    offsets = np.arange(pairs + 1) * (shared + own)
    digests = np.zeros((pairs, 2), np.uint64)
    left, right = (Shingles(side.ravel(), offsets, digests) for side in sides)
    return left, right, shared / (shared + 2 * own)


@pytest.mark.parametrize(("shared", "own"), [(5, 95), (50, 50), (80, 10), (3, 1), (2000, 300)])
def test_estimates_are_unbiased_with_the_standard_error_of_theory(shared, own):
    pairs, minhash = 400, MinHash(bands=16, rows=7, seed=5)
    left, right, exact = sets_with_similarity(shared, own, pairs, seed=shared)
    estimates = similarity(minhash.signatures(left), minhash.signatures(right))
    error = np.sqrt(exact * (1 - exact) / 112)
    assert abs(estimates.mean() - exact) < 4 * error / np.sqrt(pairs)
    assert estimates.std() == pytest.approx(error, rel=0.2)


def test_estimates_are_as_close_to_the_truth_as_those_of_datasketch():
    left, right, exact = sets_with_similarity(60, 20, pairs=100, seed=1)
    ours = similarity(*(MinHash(16, 8, seed=2).signatures(side) for side in (left, right)))

    def theirs(shingles: Shingles, pair: int) -> datasketch.MinHash:
        signature = datasketch.MinHash(num_perm=128, seed=2)
        signature.update_batch([value.tobytes() for value in shingles.of(pair)])
        return signature

    reference = np.array([theirs(left, pair).jaccard(theirs(right, pair)) for pair in range(100)])
    spread = np.sqrt(exact * (1 - exact) / 128)
    assert abs(ours.mean() - reference.mean()) < 4 * spread * np.sqrt(2 / 100)
    assert np.sqrt(np.mean((ours - exact) ** 2)) < 1.25 * np.sqrt(np.mean((reference - exact) ** 2))


def test_texts_give_the_similarity_of_their_shingles():
    words = [f"w{number}" for number in range(200)]
    shingles = Shingler(5, seed=1).cut([" ".join(words), " ".join([*words[:100], "new", *words[101:]]), "other text"])
    signatures = MinHash(64, 8, seed=1).signatures(shingles)
    exact = exact_jaccard(shingles.of(0), shingles.of(1))
    assert exact == pytest.approx(191 / 201)
    assert similarity(signatures[0], signatures[1]) == pytest.approx(exact, abs=0.04)
    assert similarity(signatures[0], signatures[2]) == 0


def test_a_signature_depends_on_the_set_alone():
    values = np.random.default_rng(0).integers(0, 2**64, 50_000, np.uint64)
    small = values[:3]
    texts = [values, small, np.concatenate([values[::-1], values[:9]])]
    offsets = np.cumsum([0, *map(len, texts)])
    signatures = MinHash(4, 4, seed=0).signatures(Shingles(np.concatenate(texts), offsets, np.zeros((3, 2), np.uint64)))
    alone = MinHash(4, 4, seed=0).signatures(Shingles(small, np.array([0, 3]), np.zeros((1, 2), np.uint64)))
    assert np.array_equal(signatures[0], signatures[2])
    assert np.array_equal(signatures[1], alone[0])
    assert not np.array_equal(signatures[0], signatures[1])


def test_signatures_are_pinned():
    signatures = MinHash(2, 3, seed=1).signatures(Shingler(5, seed=1).cut(["The quick brown fox jumps over it.", ""]))
    assert signatures.tolist() == PINNED


PINNED = [[62173, 20336, 36952, 32421, 46443, 30069], [45417, 36298, 63906, 45311, 51525, 47023]]


@pytest.mark.parametrize("exact", [0.5, 0.75, 0.9])
def test_pairs_become_candidates_as_often_as_the_s_curve_says(exact):
    pairs, minhash = 600, MinHash(bands=16, rows=7, seed=3)
    own = round(100 * (1 - exact) / (1 + exact))
    left, right, truth = sets_with_similarity(100 - own, own, pairs, seed=9)
    keys = [minhash.band_keys(minhash.signatures(side)) for side in (left, right)]
    found = sum(len(asked) for asked, _ in BandIndex.of(keys[0]).candidates(keys[1]))
    expected = candidate_probability(truth, bands=16, rows=7)
    assert found / pairs == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / pairs) + 1e-9)


def test_band_keys_are_equal_exactly_where_the_rows_of_a_band_are():
    signatures = np.random.default_rng(1).integers(0, 2, (60, 6), np.uint16)
    keys = MinHash(bands=2, rows=3, seed=0).band_keys(signatures)
    for band in range(2):
        rows = signatures[:, 3 * band : 3 * band + 3]
        same_rows = (rows[:, None] == rows[None]).all(axis=2)
        assert np.array_equal(keys[band][:, None] == keys[band][None], same_rows)


def test_candidates_are_all_pairs_with_a_key_in_common_once_each(monkeypatch):
    monkeypatch.setattr("assets.lsh._PAIRS_AT_ONCE", 50)
    draw = np.random.default_rng(2)
    held, asked = draw.integers(0, 9, (3, 40), np.uint64), draw.integers(0, 9, (3, 30), np.uint64)
    found = [pair for a, b in BandIndex.of(held).candidates(asked) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    expected = [(q, e) for q in range(30) for e in range(40) if (held[:, e] == asked[:, q]).any()]
    assert found == expected


def test_an_index_of_some_entries_is_the_index_of_their_keys():
    keys = np.random.default_rng(3).integers(0, 5, (3, 40), np.uint64)
    chosen = np.arange(40) % 3 == 0
    part, alone = BandIndex.of(keys).only(chosen), BandIndex.of(keys[:, chosen])
    assert np.array_equal(part.keys, alone.keys)
    assert np.array_equal(part.entries, alone.entries)


def test_an_empty_index_and_no_queries_have_no_candidates():
    empty, some = np.empty((2, 0), np.uint64), np.zeros((2, 3), np.uint64)
    assert list(BandIndex.of(empty).candidates(some)) == []
    assert list(BandIndex.of(some).candidates(empty)) == []


def test_pair_similarity_is_that_of_each_pair_whatever_the_block(monkeypatch):
    monkeypatch.setattr("assets.lsh._GATHER", 7)
    signatures = np.random.default_rng(4).integers(0, 3, (20, 12), np.uint16)
    a, b = np.random.default_rng(5).integers(0, 20, (2, 50))
    assert np.array_equal(pair_similarity(signatures, a, signatures, b), similarity(signatures[a], signatures[b]))
