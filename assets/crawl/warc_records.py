"""Reading WARC files that others wrote, past whatever is broken in them."""

import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from typing import IO, Any

from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataException, ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParserException

from assets.crawl.pages import PayloadError, decode_payload
from assets.crawl.records import Read, Record

CHUNK_BYTES = 1 << 16
GZIP = b"\x1f\x8b\x08"
# Room for a record's headers beyond its payload.
HEADER_BYTES = 1 << 20
PAGES = frozenset({"response", "resource", "conversion", "revisit"})
BROKEN = (ArchiveLoadFailed, StatusAndHeadersParserException, ChunkedDataException, ValueError, EOFError)


def read_warc(stream: IO[bytes], size_bytes: int) -> Iterator[Read]:
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
        if isinstance(member, str):
            yield member
        else:
            yield from _records(BytesIO(member), size_bytes)


def gzip_members(stream: IO[bytes], most_bytes: int) -> Iterator[bytes | str]:
    """The unpacked members of a gzip file, or why one is not there: it is broken, cut off, or too large.

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
                    yield "truncated"
                    return
                raw = raw + piece if size <= most_bytes else piece
        except zlib.error:
            yield "bad_gzip"
            raw = _from_next_member(raw[1:], stream)
            continue
        raw = decoder.unused_data
        yield b"".join(plain) if size <= most_bytes else "too_large"


def _from_next_member(raw: bytes, stream: IO[bytes]) -> bytes:
    while (found := raw.find(GZIP)) < 0:
        piece = stream.read(CHUNK_BYTES)
        if not piece:
            return b""
        raw = raw[-len(GZIP) :] + piece
    return raw[found:]


def _records(stream: Any, size_bytes: int) -> Iterator[Read]:
    try:
        for record in ArchiveIterator(stream):
            if record.rec_type in PAGES:
                yield _page(record, size_bytes)
    except BROKEN:
        yield "bad_warc"


def _page(record: Any, size_bytes: int) -> Read:
    """One record, its payload decoded; raises one of `BROKEN` if it breaks while it is read."""
    if record.rec_type == "revisit":
        return "revisit"
    length = record.payload_length
    if length is not None and length > size_bytes:
        return "too_large"
    raw = record.raw_stream.read()
    if length is not None and len(raw) < length:
        return "truncated"
    warc, http = record.rec_headers, record.http_headers or StatusAndHeaders("", [])
    if (http.get_header("Transfer-Encoding") or "").lower() == "chunked":
        raw = ChunkedDataReader(BytesIO(raw), raise_exceptions=True).read()
    try:
        payload = decode_payload(raw, (http.get_header("Content-Encoding") or "").strip().lower(), size_bytes)
    except PayloadError as error:
        return error.reason
    url, date = warc.get_header("WARC-Target-URI"), warc.get_header("WARC-Date")
    if record.rec_type != "response":
        return Record("resource", url, warc.get_header("Content-Type") or "", payload, date=date)
    if record.http_headers is None:
        return "bad_warc"
    content_type = http.get_header("Content-Type") or ""
    return Record("response", url, content_type, payload, int(http.get_statuscode()), tuple(http.headers), date)
