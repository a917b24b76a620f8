"""Words and shingles: what counts as a word, and hashes that are the same in every process."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.shingles import Shingler, spaced
from tests.jaccard import exact_jaccard


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  quick\tbrown\nfox.", ["the", "quick", "brown", "fox."]),
        ("Straße CAFE\u0301", ["strasse", "caf\u00e9"]),
        ("no\u00a0break\u3000wide", ["no", "break", "wide"]),
        ("用numpy计算", ["用", "numpy", "计", "算"]),
        ("ใช้", ["ใ", "ช", "้"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("a\x1cb\x0bc", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert spaced(text).split() == expected


def test_hashes_are_pinned():
    shingles = Shingler(length=2, seed=1).cut(["The quick brown fox", "été 中文", "short", ""])
    assert shingles.offsets.tolist() == [0, 3, 5, 6, 7]
    assert [f"{value:016x}" for value in shingles.hashes] == PINNED


PINNED = [
    "e9725d43586733a8",
    "b0f49e3d049a9e2f",
    "56dd37d556b63375",
    "21e3977c9ac57f8a",
    "0580d45052c617ac",
    "689ef0bdab2666e4",
    "6001c324468d497f",
]

TEXTS = st.lists(st.text(st.sampled_from("ab c\n\u00a0é中\x00"), max_size=30), max_size=6)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, length=st.integers(1, 4))
def test_two_shingles_have_one_hash_exactly_where_their_words_are_the_same(texts, length):
    shingles = Shingler(length, seed=0).cut(texts)
    by_words: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(texts):
        split = spaced(text).split()
        expected = [tuple(split[at : at + length]) for at in range(max(len(split) - length + 1, 1))]
        hashes = shingles.of(number).tolist()
        assert len(hashes) == len(expected)
        for run, value in zip(expected, hashes, strict=True):
            assert by_words.setdefault(run, value) == value
    assert len(set(by_words.values())) == len(by_words)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS)
def test_digests_are_equal_exactly_where_all_words_are(texts):
    digests = Shingler(3, seed=0).cut(texts).digests
    for i, a in enumerate(texts):
        for j, b in enumerate(texts):
            assert (digests[i] == digests[j]).all() == (spaced(a).split() == spaced(b).split())


def test_a_text_is_hashed_the_same_alone_and_among_others():
    texts = ["word " * 40_000, "one", "x" * 300_000, "a b c d e f", "mixed 中文 text"]
    shingler = Shingler(length=5, seed=3)
    together = shingler.cut(texts)
    for number, text in enumerate(texts):
        assert np.array_equal(Shingler(length=5, seed=3).cut([text]).hashes, together.of(number))


def test_another_seed_gives_other_hashes():
    one, other = (Shingler(2, seed).cut(["a b c d"]).hashes for seed in (1, 2))
    assert not np.intersect1d(one, other).size


def test_exact_jaccard_is_of_sets():
    shingles = Shingler(1, seed=0).cut(["a b c c", "b c d d d"])
    assert exact_jaccard(shingles.of(0), shingles.of(1)) == pytest.approx(2 / 4)
