"""Documents in files of rows: lines of JSONL and rows of Parquet, the broken ones named."""

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from lzma import LZMAError
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from assets.crawl.sources import Columns

ROWS = 256


@dataclass(frozen=True)
class Record:
    """A document from a file; `url` is None where the file gives it none, `date` and `headers` are a WARC record's."""

    kind: Literal["response", "resource"]
    url: str | None
    content_type: str
    payload: bytes
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    date: str | None = None


Read = Record | str
"""A record, or the reason why there is none that can be used."""


def read_jsonl(stream: IO[bytes], columns: Columns, size_bytes: int) -> Iterator[Read]:
    """One record a line that is not blank."""
    lines: Any = io.BufferedReader(stream)
    # Escapes make a line up to six times longer than its text.
    longest = 6 * size_bytes + 65536
    try:
        while line := lines.readline(longest):
            if len(line) == longest and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = lines.readline(longest)
                yield "too_large"
            elif line.strip():
                yield _read_line(line, columns, size_bytes)
    except (EOFError, zlib.error, LZMAError):
        yield "bad_compression"
    except OSError as error:
        if error.errno is not None:  # of the disk or the network, and not of gzip or bzip2
            raise
        yield "bad_compression"


def read_parquet(stream: IO[bytes], columns: Columns, size_bytes: int) -> Iterator[Read]:
    """One record a row; a file that is broken from some row on ends there with one bad record."""
    try:
        with pq.ParquetFile(stream) as file:
            if not set(columns.named()) <= set(file.schema_arrow.names):
                yield "missing_field"
                return
            for batch in file.iter_batches(ROWS, columns=columns.named()):
                for row in range(batch.num_rows):
                    try:
                        values = {name: batch.column(name)[row].as_py() for name in columns.named()}
                    except UnicodeDecodeError:
                        yield "not_utf8"
                    else:
                        yield _read_row(values, columns, size_bytes)
    except (pa.ArrowException, OSError):
        yield "bad_parquet"


def _read_line(line: bytes, columns: Columns, size_bytes: int) -> Read:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "not_utf8"
    except (ValueError, RecursionError):
        return "bad_json"
    return _read_row(row, columns, size_bytes) if isinstance(row, dict) else "bad_json"


def _read_row(row: Mapping[str, Any], columns: Columns, size_bytes: int) -> Read:
    body = row.get(columns.body)
    if body is None:
        return "missing_field"
    if not isinstance(body, str | bytes):
        return "bad_field"
    try:
        payload = body.encode() if isinstance(body, str) else body
        if columns.text:
            payload.decode()
    except UnicodeError:
        return "not_utf8"
    if not payload.strip():
        return "empty"
    if len(payload) > size_bytes:
        return "too_large"
    url = row.get(columns.url) if columns.url else None
    # HTML that came as bytes says its charset itself.
    charset = None if columns.html and isinstance(body, bytes) else "utf-8"
    named = {"title": columns.title, "license": columns.license, "language": columns.language}
    said = {"charset": charset, **{key: row.get(name) for key, name in named.items() if name}}
    return Record("resource", str(url) if url else None, described_type(columns, said), payload)


def described_type(columns: Columns, parameters: Mapping[str, object]) -> str:
    """A Content-Type that carries what a row says of its document as parameters, values as RFC 2231 has them.

    `email.message.Message.get_param` and `email.utils.collapse_rfc2231_value` read them back.
    """
    message = Message()
    texts = {name: value.strip() for name, value in parameters.items() if isinstance(value, str)}
    plain = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items() if text}
    values = {n: text if text.isascii() and text.isprintable() else ("utf-8", "", text) for n, text in plain.items()}
    message.add_header("Content-Type", "text/html" if columns.html else "text/plain", **values)
    return str(message["Content-Type"])
