from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.feed.shards import SPAN, ShardError, Shards, TokenDocument, write_index, write_shard
from tests.llm_core.feed.shard_writer import ShardWriter


def test_documents_come_back_across_shard_borders(make_shards):
    shards = make_shards([30, 50, 20, 7], shard_tokens=60)
    assert [entry.tokens for entry in shards.entries] == [30, 50, 27]
    assert (shards.tokens, shards.documents) == (107, 4)
    assert shards.read(25, 70).tolist() == list(range(25, 95))


def test_a_shard_is_plain_numpy_on_disk(make_shards):
    shards = make_shards([3, 4])
    assert np.fromfile(shards.folder / "00000.tokens.bin", "<u2").tolist() == list(range(7))
    spans = np.load(shards.folder / "00000.spans.npy")
    assert spans.dtype == SPAN
    assert spans["start"].tolist() == [0, 3]
    assert spans["length"].tolist() == [3, 4]


def test_a_vocabulary_above_65536_takes_four_bytes(tmp_path):
    with ShardWriter(tmp_path, 70_000) as writer:
        writer.add("aa", [69_999, 1])
    assert Shards(tmp_path).read(0, 2).tolist() == [69_999, 1]
    assert (tmp_path / "00000.tokens.bin").stat().st_size == 8


def test_shards_written_by_several_workers_make_the_folder_that_one_writer_makes(tmp_path, make_shards):
    alone = make_shards([5, 6], shard_tokens=5)
    documents = [
        TokenDocument(span.document, alone.read(span.start, span.stop - span.start)) for span in alone.spans(0, 11)
    ]
    entries = [write_shard(tmp_path / "many", number, [documents[number]], 5000) for number in (1, 0)]
    write_index(tmp_path / "many", entries[::-1], 5000)
    for path in alone.folder.iterdir():
        assert path.read_bytes() == (tmp_path / "many" / path.name).read_bytes()


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    window=st.tuples(st.integers(0, 400), st.integers(1, 60)),
)
def test_spans_of_a_window_are_those_that_overlap_it(tmp_path_factory, lengths, window):
    folder = tmp_path_factory.mktemp("spans")
    with ShardWriter(folder, 10, shard_tokens=50) as writer:
        for number, length in enumerate(lengths):
            writer.add(f"{number:032x}", [1] * length)
    start, stop = window[0], sum(window)
    stops = np.cumsum(lengths)
    expected = [
        (int(end - n), int(end)) for n, end in zip(lengths, stops, strict=True) if end - n < stop and end > start
    ]
    assert [(span.start, span.stop) for span in Shards(folder).spans(start, stop)] == expected


def test_loss_marks_are_read_beside_the_tokens(make_shards):
    assert make_shards([4, 5], shard_tokens=4, loss=True).read_loss(2, 5).tolist() == [False, True, False, True, False]
    assert make_shards([4]).read_loss(0, 3).all()


@pytest.mark.parametrize(
    ("tokens", "complaint"), [([], "no tokens"), ([1, 10], r"must lie in \[0, 10\)"), ([-1], r"must lie in \[0, 10\)")]
)
def test_documents_that_cannot_be_stored_are_refused_by_name(tmp_path, tokens, complaint):
    with pytest.raises(ShardError, match=f"'abc'.*{complaint}"), ShardWriter(tmp_path, 10) as writer:
        writer.add("abc", tokens)
    assert not (tmp_path / "index.json").exists()


def test_a_folder_without_an_index_is_not_whole(tmp_path):
    write_shard(tmp_path, 0, [TokenDocument("aa", [1])], 10)
    with pytest.raises(ShardError, match=r"index\.json does not exist"):
        Shards(tmp_path)


def test_a_truncated_token_file_is_named(make_shards):
    path: Path = make_shards([40]).folder / "00000.tokens.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ShardError, match=r"00000.tokens.bin has 78 bytes, index.json says 80"):
        Shards(path.parent)


def test_spans_that_do_not_tile_the_tokens_are_named(make_shards):
    shards = make_shards([40, 2])
    np.save(shards.folder / "00000.spans.npy", np.load(shards.folder / "00000.spans.npy")[:1])
    with pytest.raises(ShardError, match=r"00000.spans.npy does not tile"):
        shards.spans(0, 10)
