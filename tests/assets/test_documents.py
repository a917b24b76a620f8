"""Documents on disk: what is written is read again, a shard is there whole or not at all, damage is named."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.documents import (
    ROW_GROUP,
    Document,
    Dropped,
    Funnel,
    count_documents,
    document_id,
    read_documents,
    read_dropped,
    shard_of,
    write_shard,
    write_shards,
)
from resources.build import Build
from resources.errors import InputError
from resources.store import Store

SNAPSHOT = "2026-01-05"


def page(number: int, text: str = "some text") -> Document:
    url = f"http://a.test/{number}"
    return Document(document_id(url, SNAPSHOT), url, text, SNAPSHOT, "A title", "en", 0.5, "MIT", 0.25, "train")


def open_build(root: Path, name: str = "source", workers: int = 1) -> Build:
    return Build(Store(root), name, root / f"{name}-scratch", workers=workers)


@pytest.mark.parametrize("count", [0, 1, ROW_GROUP, ROW_GROUP + 1])
def test_what_is_written_is_read_again_in_order(tmp_path, count):
    documents = [page(number) for number in range(count)]
    dropped = [Dropped("x", "http://a.test/x", "too_short", 0.5), Dropped("y", "http://a.test/y", "robots")]
    write_shard(open_build(tmp_path), lambda shard: [*documents, *dropped], 0)
    assert list(read_documents(tmp_path / "source")) == documents
    assert list(read_dropped(tmp_path / "source")) == dropped
    assert count_documents(tmp_path / "source") == count


def test_what_no_stage_has_said_yet_stays_unsaid(tmp_path):
    plain = Document("id", "http://a.test/", "text", SNAPSHOT)
    write_shard(open_build(tmp_path), lambda shard: [plain], 0)
    assert list(read_documents(tmp_path / "source")) == [plain]


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_survives(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("any")
    write_shard(open_build(root), lambda shard: [page(0, text)], 0)
    assert next(read_documents(root / "source")).text == text


def test_a_shard_that_fails_leaves_neither_of_its_files(tmp_path):
    build = open_build(tmp_path)

    def stopped_after_one() -> Iterator[Document]:
        yield page(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(build, lambda shard: stopped_after_one(), 0)
    assert build.store.names("source") == []


@given(st.text(min_size=1), st.integers(1, 64))
def test_a_url_has_one_shard_whatever_the_snapshot(url, shards):
    assert 0 <= shard_of(url, shards) < shards
    assert shard_of(url, shards) == shard_of(url, shards)


def test_an_id_names_a_page_in_a_snapshot_and_stays_as_it_is():
    assert document_id("http://a.test/", SNAPSHOT) != document_id("http://a.test/", "2026-01-12")
    assert document_id("http://a.test/", SNAPSHOT) == "4ccf79660e37d638cdf9da32c3d5a1a8"


def judge(source: Path, shard: int) -> Iterator[Document | Dropped]:
    for document in read_documents([source / f"documents/{shard:05}.parquet"]):
        if document.url.endswith(("3", "7")):
            yield Dropped(document.id, document.url, "ends_oddly", 1.0)
        else:
            yield replace(document, text=document.text.upper())


@pytest.mark.parametrize("workers", [1, 2])
def test_each_document_is_kept_or_dropped_and_counted(tmp_path, workers):
    for shard in range(3):
        own = [page(n) for n in range(20) if shard_of(page(n).url, 3) == shard]
        write_shard(open_build(tmp_path), lambda shard, own=own: own, shard)
    build = open_build(tmp_path, f"made-{workers}", workers)
    funnel = write_shards(build, "shout", 3, 20, partial(judge, tmp_path / "source"))
    assert funnel == Funnel(20, 16, {"ends_oddly": 4})
    assert {document.text for document in read_documents(tmp_path / f"made-{workers}")} == {"SOME TEXT"}


def test_a_shard_that_is_there_is_not_judged_again(tmp_path):
    write_shard(open_build(tmp_path), lambda shard: [page(0)], 0)
    assert write_shards(open_build(tmp_path), "shout", 1, 1, lambda shard: pytest.fail("judged again")).kept == 1


def truncated(data: bytes) -> bytes:
    return data[:-20]


def scrambled(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:4] + b"\x00" * half + data[4 + half :]


@pytest.mark.parametrize("damage", [truncated, scrambled, lambda data: b"", lambda data: b"not parquet"])
def test_a_damaged_shard_is_named_with_what_to_do(tmp_path, damage):
    write_shard(open_build(tmp_path), lambda shard: [page(n, f"text {n} " * 40) for n in range(200)], 0)
    path = tmp_path / "source/documents/00000.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"(?s)documents/00000.parquet is not a Tidemill shard.*tidemill verify"):
        list(read_documents(tmp_path / "source"))


@pytest.mark.parametrize(("read", "lacking"), [(read_documents, "language"), (read_dropped, "reason")])
def test_a_shard_that_lacks_a_column_is_named_with_the_column(tmp_path, read, lacking):
    path = tmp_path / "00000.parquet"
    pq.write_table(pa.table({"id": ["a"], "url": ["http://a.test/"], "text": ["t"], "snapshot": ["s"]}), path)
    with pytest.raises(InputError, match=f"00000.parquet lacks .*{lacking}.*; run `tidemill verify`"):
        list(read([path]))
