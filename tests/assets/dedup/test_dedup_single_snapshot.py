"""One snapshot: which documents are duplicates, which one stays, and what is written about the others."""

import os
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

from assets.dedup.config import DedupConfig
from assets.documents import Document, document_id, read_documents
from resources.errors import InputError

TEXT = (
    "Return the indices that would sort an array along the given axis, using the algorithm named by kind; "
    "the result has the same shape as the input and may be used to reorder it afterwards."
)
OTHER = "Open a network connection to the host and keep it alive until the caller closes it or the timeout has passed."
BY_URL = DedupConfig(keep="first_url")
NEAR = TEXT.replace("afterwards", "later")


def test_documents_with_the_same_words_are_exact_duplicates_whatever_case_and_spacing(workshop):
    result = workshop.dedup({"a/1": TEXT, "a/2": TEXT.upper().replace(" ", "\n  "), "a/3": OTHER}, config=BY_URL)
    assert result.kept == {"a/1", "a/3"}
    assert result.reasons == {"a/2": "exact_duplicate"}
    assert result.scores == {"a/2": 1.0}


def test_a_document_that_changed_a_little_is_a_near_duplicate(workshop):
    result = workshop.dedup({"a/1": TEXT, "a/2": NEAR, "a/3": OTHER})
    assert result.kept == {"a/1", "a/3"}
    assert result.reasons == {"a/2": "near_duplicate"}
    assert 0.7 <= result.scores["a/2"] < 1


@pytest.mark.parametrize(
    ("keep", "stays"), [("longest", "a.example/page/3"), ("shortest_url", "b.example"), ("first_url", "a.example/1")]
)
def test_the_rule_of_the_spec_says_which_document_stays(workshop, keep, stays):
    text = " ".join(f"word{number}" for number in range(100))
    pages = {"b.example": text[:-1], "a.example/1": text[:-2], "a.example/page/3": text, "c.example": text[:-1]}
    result = workshop.dedup(pages, config=DedupConfig(keep=keep))
    assert result.kept == {stays}


def test_ties_go_to_the_url_that_sorts_first(workshop):
    assert workshop.dedup({"z": TEXT, "y": TEXT, "m": TEXT}).kept == {"m"}


def test_a_chain_of_near_duplicates_is_one_group(workshop):
    words = [f"word{number}" for number in range(100)]
    steps = [" ".join([f"new{n}" for n in range(shift)] + words[shift:]) for shift in range(0, 36, 4)]
    result = workshop.dedup({f"a/{n}": text for n, text in enumerate(steps)}, config=BY_URL)
    assert result.kept == {"a/0"}
    assert result.scores["a/8"] < 0.7 < result.scores["a/1"]


def test_empty_and_very_short_texts_are_compared_whole(workshop):
    result = workshop.dedup({"a": "", "b": " \n", "c": "Yes.", "d": "yes.", "e": "No.", "f": "yes. no."}, config=BY_URL)
    assert result.kept == {"a", "c", "e", "f"}
    assert result.reasons == {"b": "exact_duplicate", "d": "exact_duplicate"}


def test_scripts_without_spaces_are_compared_by_characters(workshop):
    text = "数组的形状是由整数元组表示的每个元素都具有相同的类型可以通过索引访问并支持切片操作返回数据的视图而非副本"
    changed = text.replace("副本", "拷贝")
    other = "打开与主机的网络连接并保持到调用者关闭它或超时为止如果失败则引发异常并记录原因以便之后检查和重试该操作"
    result = workshop.dedup({"a/1": text, "a/2": changed, "a/3": other})
    assert result.kept == {"a/1", "a/3"}
    assert result.reasons == {"a/2": "near_duplicate"}


def test_every_dropped_document_is_traced_to_the_one_that_stands_for_it(workshop):
    result = workshop.dedup({"a/1": TEXT, "a/2": NEAR, "a/3": TEXT, "a/4": OTHER})
    stands = document_id("a/1", "2026-01-05")
    for url, kind in (("a/2", "near"), ("a/3", "exact")):
        row = result.clusters[document_id(url, "2026-01-05")]
        assert (row["kept_id"], row["kept_snapshot"], row["kind"]) == (stands, "2026-01-05", kind)
        assert row["similarity"] == result.scores[url]


def test_accounting_closes_and_counts_follow_from_the_content(workshop):
    result = workshop.dedup({"a/1": TEXT, "a/2": NEAR, "a/3": TEXT, "a/4": OTHER})
    assert result.outcome.stats == {
        "entered": 4,
        "kept": 2,
        "dropped": {"exact_duplicate": 1, "near_duplicate": 1},
        "hashed": 4,
        "distinct_texts": 3,
        "groups": 1,
        "largest_group": 3,
        "index_entries": 3,
    }


def test_kept_documents_pass_unchanged(workshop):
    page = Document(document_id("a", "t"), "a", TEXT, "t", "Title", "en", 0.5, "MIT", quality=0.25, split="train")
    result = workshop.dedup(workshop.extracted("extracted", [page]))
    assert list(read_documents(result.folder)) == [page]


def corpus(seed: int, count: int = 300) -> dict[str, str]:
    """Pages of random words; a third of them are edited copies of others."""
    draw = random.Random(seed)
    texts = [[f"w{draw.randrange(500)}" for _ in range(draw.randrange(0, 80))] for _ in range(count)]
    for number in range(0, count, 3):
        source = draw.choice(texts)
        texts[number] = [word if draw.random() > 0.02 else "edited" for word in source]
    return {f"host{number % 7}/{number}": " ".join(words) for number, words in enumerate(texts)}


def test_bytes_are_the_same_for_any_number_of_workers(workshop):
    source = workshop.extracted("extracted", workshop.pages(corpus(1)), shards=4)
    assert workshop.dedup(source).digests() == workshop.dedup(source, workers=2).digests()


def test_what_stays_does_not_depend_on_the_number_of_shards(workshop):
    pages = workshop.pages(corpus(2))
    one = workshop.dedup(workshop.extracted("one", pages, shards=1))
    seven = workshop.dedup(workshop.extracted("seven", reversed(pages), shards=7))
    assert one.kept == seven.kept
    assert one.clusters == seven.clusters


def test_a_build_killed_at_any_file_continues_to_the_same_bytes(workshop, monkeypatch):
    source = workshop.extracted("extracted", workshop.pages(corpus(3, count=40)), shards=2)
    undisturbed = workshop.dedup(source).digests()
    place, left = os.replace, 0

    def place_or_die(old, new):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        place(old, new)

    monkeypatch.setattr(os, "replace", place_or_die)
    deaths = 0
    while True:
        left = deaths
        try:
            workshop.dedup(source, name=f"killed-{deaths}")
        except KeyboardInterrupt:
            stood = {path: path.stat().st_ino for path in (workshop.root).rglob(f"*/killed-{deaths}/signed/0*")}
            stood |= {path: path.stat().st_ino for path in (workshop.root / f"killed-{deaths}").glob("documents/*")}
            left = 1000
            assert workshop.dedup(source, name=f"killed-{deaths}").digests() == undisturbed
            assert {path: path.stat().st_ino for path in stood} == stood, "a finished shard was written again"
            deaths += 1
        else:
            break
    assert deaths == 2 + len(undisturbed) + 1  # signed shards, the artifact's files, the fates


def test_a_snapshot_without_documents_leaves_an_empty_index(workshop):
    for shards in (0, 2):
        empty = workshop.dedup(workshop.extracted(f"empty-{shards}", [], shards=shards))
        assert (empty.outcome.stats["entered"], empty.kept, empty.outcome.stats["index_entries"]) == (0, set(), 0)


def test_hostile_texts_are_documents_like_any_other(workshop):
    pages = {
        "nul": "\x00" * 50,
        "one-word": "x" * 300_000,
        "many-words": "ha " * 100_000,
        "marks": "e" + "\u0301" * 5_000,
        "spaces": "\u2003\u00a0\u3000",
        "bidi": "\u202egnitsil\u202c " * 20,
    }
    result = workshop.dedup(pages)
    assert result.kept == set(pages)
    assert result.outcome.stats["entered"] == len(pages)


def test_a_shard_that_is_no_parquet_file_or_lacks_a_column_is_named(workshop):
    source = workshop.extracted("extracted", workshop.pages({"a": TEXT}), shards=1)
    shard = source / "documents/00000.parquet"
    pq.write_table(pq.read_table(shard).drop_columns(["text"]), shard)
    with pytest.raises(InputError, match="lacks text"):
        workshop.dedup(source)
    shard.write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match=r"00000\.parquet is not a Tidemill shard"):
        workshop.dedup(source)


def test_documents_of_two_snapshots_are_refused(workshop):
    pages = [*workshop.pages({"a": TEXT}, "2026-01-05"), *workshop.pages({"b": OTHER}, "2026-01-12")]
    with pytest.raises(InputError, match="of 2026-01-05, 2026-01-12"):
        workshop.dedup(workshop.extracted("mixed", pages))


def test_planted_near_duplicates_are_found_by_how_much_was_edited(workshop):
    draw = random.Random(7)
    vocabulary = np.array([f"term{number}" for number in range(20_000)])
    chooser = np.random.default_rng(7)
    found = {}
    for edits in (1, 2, 5, 10, 20, 40):
        pages = {}
        for number in range(150):
            words = chooser.choice(vocabulary, 100).tolist()
            pages[f"a/{number}"] = " ".join(words)
            for place in draw.sample(range(100), edits):
                words[place] = "edited"
            pages[f"b/{number}"] = " ".join(words)
        found[edits] = workshop.dedup(pages, config=BY_URL).outcome.stats["dropped"]
    recall = {edits: dropped.get("near_duplicate", 0) / 150 for edits, dropped in found.items()}
    # One changed word in the middle touches 5 of 96 shingles: J ≈ .90, two ≈ .82, five ≈ .60, ten ≈ .37.
    assert recall[1] == 1
    assert recall[2] >= 0.95
    assert recall[5] <= 0.3
    assert recall[10] == recall[20] == recall[40] == 0
