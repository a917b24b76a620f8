"""Reading WARC files that others wrote, past whatever is broken in them."""

import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from typing import IO, Any

from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataException, ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeadersParserException

from assets.crawl.pages import PayloadError, decode_payload
from assets.crawl.records import BadRecord, Record

CHUNK_BYTES = 1 << 16
GZIP = b"\x1f\x8b\x08"
# Room for a record's headers beyond its payload.
HEADER_BYTES = 1 << 20
PAGES = frozenset({"response", "resource", "conversion", "revisit"})
BROKEN = (ArchiveLoadFailed, StatusAndHeadersParserException, ChunkedDataException, ValueError, EOFError)


def read_warc(stream: IO[bytes], size_bytes: int) -> Iterator[Record | BadRecord]:
    """The pages of a WARC file: response, resource and conversion (WET) records; a revisit has no payload to take.

    In a gzip file each member is read on its own, so that a broken one costs itself only; a plain
    file that breaks ends there, with one bad record for the rest. Other kinds of record are no
    pages and are passed over.
    """
    buffered: Any = BufferedReader(stream)
    if buffered.peek(len(GZIP))[: len(GZIP)] != GZIP:
        yield from _records(buffered, size_bytes)
        return
    for member in gzip_members(buffered, size_bytes + HEADER_BYTES):
        if isinstance(member, BadRecord):
            yield member
        else:
            yield from _records(BytesIO(member), size_bytes)


def gzip_members(stream: IO[bytes], most_bytes: int) -> Iterator[bytes | BadRecord]:
    """The unpacked members of a gzip file; a member that is broken, cut off, or too large is a bad record.

    After a broken member reading goes on at the next gzip magic that follows its beginning.
    """
    raw = b""
    while raw := raw or stream.read(CHUNK_BYTES):
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        plain, piece, size = [], raw, 0
        try:
            while True:
                unpacked = decoder.decompress(piece)
                size += len(unpacked)
                if size <= most_bytes:
                    plain.append(unpacked)
                if decoder.eof:
                    break
                piece = stream.read(CHUNK_BYTES)
                if not piece:
                    yield BadRecord("truncated")
                    return
                raw = raw + piece if size <= most_bytes else piece
        except zlib.error:
            yield BadRecord("bad_gzip")
            raw = _from_next_member(raw[1:], stream)
            continue
        raw = decoder.unused_data
        yield b"".join(plain) if size <= most_bytes else BadRecord("too_large")


def _from_next_member(raw: bytes, stream: IO[bytes]) -> bytes:
    while (found := raw.find(GZIP)) < 0:
        piece = stream.read(CHUNK_BYTES)
        if not piece:
            return b""
        raw = raw[-len(GZIP) :] + piece
    return raw[found:]


def _records(stream: Any, size_bytes: int) -> Iterator[Record | BadRecord]:
    try:
        for record in ArchiveIterator(stream):
            if record.rec_type in PAGES:
                yield _page(record, size_bytes)
    except BROKEN:
        yield BadRecord("bad_warc")


def _page(record: Any, size_bytes: int) -> Record | BadRecord:
    """One record, its payload decoded; raises one of `BROKEN` if it breaks while it is read."""
    if record.rec_type == "revisit":
        return BadRecord("revisit")
    url, http = record.rec_headers.get_header("WARC-Target-URI"), record.http_headers
    if record.payload_length is not None and record.payload_length > size_bytes:
        return BadRecord("too_large")
    raw = record.raw_stream.read()
    if record.payload_length is not None and len(raw) < record.payload_length:
        return BadRecord("truncated")
    headers = tuple(http.headers) if http else ()
    if http and (http.get_header("Transfer-Encoding") or "").lower() == "chunked":
        raw = ChunkedDataReader(BytesIO(raw), raise_exceptions=True).read()
    try:
        coding = (http.get_header("Content-Encoding") or "").strip().lower() if http else ""
        payload = decode_payload(raw, coding, size_bytes)
    except PayloadError as error:
        return BadRecord(error.reason)
    date = record.rec_headers.get_header("WARC-Date")
    if record.rec_type != "response":
        return Record("resource", url, record.rec_headers.get_header("Content-Type") or "", payload, date=date)
    if http is None:
        return BadRecord("bad_warc")
    content_type = http.get_header("Content-Type") or ""
    return Record("response", url, content_type, payload, int(http.get_statuscode()), headers, date)
