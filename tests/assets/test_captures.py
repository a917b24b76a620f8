"""Captures: a page is read from its WARC record by place, and never another in its stead."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.captures import Capture, capture_shards, read_captures, read_payload
from resources.errors import InputError
from tests.assets.extract.conftest import SHARDS, Seen, write_crawl

BODIES = {f"http://a.test/{n}": f"<p>page {n}, zoë</p>".encode() * 9 for n in range(8)}


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    return write_crawl(tmp_path / "crawl", [Seen(url, body) for url, body in BODIES.items()])


def captures(crawl: Path) -> list[Capture]:
    return [capture for shard in range(capture_shards(crawl)) for capture in read_captures(crawl, shard)]


def test_every_page_is_read_by_its_place(crawl):
    assert capture_shards(crawl) == SHARDS
    assert {capture.url: read_payload(crawl, capture) for capture in captures(crawl)} == BODIES


def test_the_captures_of_a_shard_are_in_url_order(crawl):
    for shard in range(SHARDS):
        urls = [capture.url for capture in read_captures(crawl, shard)]
        assert urls == sorted(urls)


def test_a_place_where_another_page_lies_is_refused(crawl):
    one, two = captures(crawl)[:2]
    with pytest.raises(InputError, match=f"no record of {one.url}"):
        read_payload(crawl, replace(one, offset=two.offset))


@pytest.mark.parametrize("offset", [7, 10**6], ids=["within a record", "past the end"])
def test_a_place_where_no_record_begins_is_refused(crawl, offset):
    with pytest.raises(InputError, match=rf"00000.warc.gz at byte {offset}: .*`tidemill verify`, then crawl again"):
        read_payload(crawl, replace(captures(crawl)[0], offset=offset))


def test_another_payload_is_refused(crawl):
    with pytest.raises(InputError, match="is not what was crawled; run `tidemill verify`"):
        read_payload(crawl, replace(captures(crawl)[0], payload_sha256="0" * 64))


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 3], lambda data: b"\x00" * len(data), lambda data: b""],
    ids=["cut short", "zeroed", "empty"],
)
def test_a_damaged_file_is_named_for_every_page_that_it_lost(crawl, damage):
    found = captures(crawl)
    file = crawl / "warc/00000.warc.gz"
    file.write_bytes(damage(file.read_bytes()))
    for capture in sorted(found, key=lambda capture: capture.offset)[len(found) // 2 :]:
        with pytest.raises(InputError, match=r"00000\.warc\.gz at byte"):
            read_payload(crawl, capture)


def test_a_file_that_is_gone_is_named(crawl):
    found = captures(crawl)
    (crawl / "warc/00000.warc.gz").unlink()
    with pytest.raises(InputError, match=r"00000.warc.gz at byte 0: not a WARC record"):
        read_payload(crawl, next(capture for capture in found if capture.offset == 0))


def test_an_index_that_is_none_is_named(crawl):
    (crawl / "captures/00001.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"captures/00001.parquet is not a Tidemill shard"):
        list(read_captures(crawl, 1))
