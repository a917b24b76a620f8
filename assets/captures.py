"""Captures: what a crawl fetched, as an index over WARC records that later stages read by id."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from assets.documents import read_rows, schema_of, shard_names
from resources.errors import InputError

CaptureKind = Literal["response", "revisit", "resource"]


@dataclass(frozen=True, slots=True)
class Capture:
    """One URL as one snapshot saw it.

    `id` is `document_id(url, snapshot)`. `kind` is the WARC record type: "response" holds an HTTP
    answer, "revisit" says that the page is as an earlier snapshot saw it (304 or same payload),
    "resource" holds a document that came from a file. `content_type` is the header's value, with
    its charset. `file` (relative to the artifact), `offset` and `length` locate the gzip member.
    """

    id: str
    url: str
    snapshot: str
    kind: Annotated[CaptureKind, pa.string()]
    status: Annotated[int, pa.int32()]
    content_type: str
    payload_sha256: str
    etag: str
    last_modified: str
    file: str
    offset: Annotated[int, pa.int64()]
    length: Annotated[int, pa.int64()]


CAPTURE_SCHEMA = schema_of(Capture)


def read_captures(folder: Path, shard: int) -> Iterator[Capture]:
    """The captures of one shard of a crawl, in URL order."""
    return read_rows(folder / "captures" / f"{shard:05}.parquet", Capture)


def capture_shards(folder: Path) -> int:
    """How many shards a crawl has; documents keep this number through every stage."""
    return len(shard_names(folder, "captures"))


@contextmanager
def open_record(folder: Path, capture: Capture) -> Iterator[Any]:
    """The WARC record of a capture, to be read in the block.

    Raises:
        InputError: if it is not where the index says.
    """
    where = f"{folder / capture.file} at byte {capture.offset}"
    try:
        with (folder / capture.file).open("rb") as file:
            file.seek(capture.offset)
            record = next(iter(ArchiveIterator(file)), None)
            if record is None or record.rec_headers.get_header("WARC-Target-URI") != capture.url:
                raise InputError(f"{where}: no record of {capture.url}; run `tidemill verify`, then crawl again")
            yield record
    except (ArchiveLoadFailed, OSError) as error:
        raise InputError(f"{where}: not a WARC record ({error}); run `tidemill verify`, then crawl again") from error


def read_payload(folder: Path, capture: Capture) -> bytes:
    """The body of a captured page, transfer- and content-decoded.

    Raises:
        InputError: if the WARC record is not where the index says, or holds another payload.
    """
    with open_record(folder, capture) as record:
        payload = bytes(record.content_stream().read())
    if hashlib.sha256(payload).hexdigest() != capture.payload_sha256:
        where = f"{folder / capture.file} at byte {capture.offset}"
        raise InputError(f"{where}: the payload of {capture.url} is not what was crawled; run `tidemill verify`")
    return payload
