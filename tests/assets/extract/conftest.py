"""Crawls as folders, written as the crawl stage writes them, and places to extract them to."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets.captures import CAPTURE_SCHEMA, Capture, CaptureKind
from assets.documents import document_id, shard_of
from resources.build import Build, Progress, silent
from resources.store import Store

SNAPSHOT = "2026-01-05"
SHARDS = 3


@dataclass(frozen=True)
class Seen:
    """A page as a crawl saw it."""

    url: str
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    kind: CaptureKind = "response"
    status: int = 200


def write_crawl(folder: Path, pages: Sequence[Seen]) -> Path:
    """One WARC file, and the captures of each shard in URL order."""
    captures: list[list[Capture]] = [[] for _ in range(SHARDS)]
    (folder / "warc").mkdir(parents=True)
    with (folder / "warc/00000.warc.gz").open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for page in sorted(pages, key=lambda page: page.url):
            offset = file.tell()
            headers = StatusAndHeaders(f"{page.status} OK", [("Content-Type", page.content_type)], protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(page.url, "response", payload=BytesIO(page.body), http_headers=headers)
            )
            captures[shard_of(page.url, SHARDS)].append(
                Capture(
                    id=document_id(page.url, SNAPSHOT),
                    url=page.url,
                    snapshot=SNAPSHOT,
                    kind=page.kind,
                    status=page.status,
                    content_type=page.content_type,
                    payload_sha256=hashlib.sha256(page.body).hexdigest(),
                    etag="",
                    last_modified="",
                    file="warc/00000.warc.gz",
                    offset=offset,
                    length=file.tell() - offset,
                )
            )
    (folder / "captures").mkdir()
    for shard, rows in enumerate(captures):
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=CAPTURE_SCHEMA)
        pq.write_table(table, folder / f"captures/{shard:05}.parquet")
    return folder


@pytest.fixture
def crawl(tmp_path: Path) -> Callable[..., Path]:
    return lambda *pages: write_crawl(tmp_path / "crawl", pages)


@pytest.fixture
def new_build(tmp_path: Path) -> Callable[..., Build]:
    def make(name: str = "one", workers: int = 1, report: Callable[[Progress], None] = silent) -> Build:
        return Build(Store(tmp_path / name), "extracted/fp", tmp_path / f"{name}-scratch", None, workers, report)

    return make
