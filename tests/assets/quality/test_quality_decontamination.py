"""Decontamination: what a training page shares with an exam page is found, however it is laid out."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.documents import read_documents, read_dropped
from assets.quality.config import DecontaminationConfig, QualityConfig
from assets.quality.decontamination import EvaluationIndex, ngram_hashes
from assets.quality.filtering import filter_quality


def words(seed, count=120):
    """Text that no other seed repeats."""
    return " ".join(f"w{hashlib.sha256(f'{seed}{n}'.encode()).hexdigest()[:5]}" for n in range(count)) + "."


def config(**decontamination):
    return QualityConfig(
        filters=(),
        classifier={"enabled": False},
        split={"held_out_hosts": ("exam.test",), "held_out_share": 0},
        decontamination=decontamination,
    )


@pytest.fixture
def run(write_corpus, new_build, page, tmp_path):
    """Filters pages given as {url: text}; gives the URLs kept, and those contaminated with their scores."""

    def filter_pages(pages, spec=None, name="filtered", earlier=()):
        corpus = write_corpus([page(f"http://{url}", text) for url, text in pages.items()], f"{name}-source")
        outcome = filter_quality(new_build(name), spec or config(), corpus, None, earlier)
        folder = tmp_path / "lake" / name
        kept = {document.url.removeprefix("http://") for document in read_documents(folder)}
        dropped = {entry.url.removeprefix("http://"): entry for entry in read_dropped(folder)}
        assert {entry.reason for entry in dropped.values()} <= {"contaminated"}
        return kept, {url: entry.score for url, entry in dropped.items()}, outcome

    return filter_pages


def test_a_verbatim_copy_is_dropped_with_the_share_that_it_has_in_common(run):
    kept, dropped, _ = run({"exam.test/a": words("a"), "train.test/copy": words("a"), "train.test/own": words("b")})
    assert dropped == {"train.test/copy": 1.0}
    assert kept == {"exam.test/a", "train.test/own"}


def test_case_punctuation_and_layout_do_not_hide_a_copy(run):
    disguised = words("a").upper().replace(" ", ",\n  ")
    _, dropped, _ = run({"exam.test/a": words("a"), "train.test/copy": disguised})
    assert dropped == {"train.test/copy": 1.0}


def test_a_short_exam_page_inside_a_long_training_page_is_found(run):
    _, dropped, _ = run({"exam.test/a": words("a", 60), "train.test/long": f"{words('b', 900)} {words('a', 60)}"})
    assert dropped == {"train.test/long": 1.0}


def test_a_passage_counts_as_its_share_of_the_shorter_page(run):
    pages = {"exam.test/a": words("a", 120), "train.test/part": f"{words('a', 52)[:-1]} {words('b', 200)}"}
    _, dropped, _ = run(pages)
    assert dropped == {"train.test/part": pytest.approx((52 - 12) / (120 - 12), abs=1e-4)}


def test_a_few_words_in_common_drop_nothing(run):
    kept, _, _ = run({"exam.test/a": words("a"), "train.test/b": f"{words('a', 20)[:-1]} {words('b')}"})
    assert "train.test/b" in kept


def test_an_exam_page_is_never_dropped_as_contaminated(run):
    kept, _, _ = run({"exam.test/a": words("a"), "exam.test/b": words("a"), "train.test/c": words("c")})
    assert len(kept) == 3


def test_exam_pages_of_earlier_snapshots_count(run, tmp_path):
    run({"exam.test/a": words("a"), "train.test/b": words("b")}, name="first")
    _, dropped, outcome = run(
        {"train.test/new": words("a"), "train.test/c": words("c")}, name="second", earlier=[tmp_path / "lake/first"]
    )
    assert set(dropped) == {"train.test/new"}
    assert outcome.stats["decontamination"]["evaluation_documents"] == 1


TEXTS = st.lists(st.sampled_from("abc"), max_size=30).map(" ".join)


@given(st.lists(TEXTS, max_size=5), TEXTS, st.integers(1, 4), st.integers(1, 3))
def test_the_overlap_is_that_of_comparing_sets_one_by_one(evaluation, text, n, least):
    def grams(words):
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    own = grams(text.split())
    expected = 0.0
    for other in (grams(document.split()) for document in evaluation):
        if len(own & other) >= least:
            expected = max(expected, len(own & other) / min(len(own), len(other)))
    hashes = [ngram_hashes(document, n) for document in evaluation]
    index = EvaluationIndex.of(np.concatenate([np.empty(0, np.uint64), *hashes]), np.array([*map(len, hashes)], int))
    assert index.largest_overlap(ngram_hashes(text, n), least) == pytest.approx(expected)


def test_the_defaults_describe_a_comparison_that_is_on():
    assert DecontaminationConfig().enabled
