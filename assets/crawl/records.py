"""Documents in files that others made: WARC records, lines of JSONL and rows of Parquet, the broken ones named."""

import io
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from gzip import BadGzipFile
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from assets.crawl.sources import Columns
from assets.crawl.urls import canonical_url

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


@dataclass(frozen=True)
class BadRecord:
    """A record that cannot be used, and why."""

    reason: str


@dataclass(frozen=True)
class Rows:
    """How rows become records."""

    columns: Columns
    size_bytes: int
    session_parameters: Collection[str]

    def read_jsonl(self, stream: IO[bytes]) -> Iterator[Record | BadRecord]:
        """One record a line that is not blank."""
        lines: Any = io.BufferedReader(stream)
        # Escapes make a line up to six times longer than its text.
        longest = 6 * self.size_bytes + 65536
        try:
            while line := lines.readline(longest):
                if len(line) == longest and not line.endswith(b"\n"):
                    _skip_line(lines)
                    yield BadRecord("too_large")
                elif line.strip():
                    yield self._of_line(line)
        except (EOFError, BadGzipFile, zlib.error):
            yield BadRecord("bad_gzip")

    def read_parquet(self, stream: IO[bytes]) -> Iterator[Record | BadRecord]:
        """One record a row; a file that is broken from some row on ends there with one bad record."""
        try:
            with pq.ParquetFile(stream) as file:
                if not set(self.columns.named()) <= set(file.schema_arrow.names):
                    yield BadRecord("missing_field")
                    return
                for batch in file.iter_batches(ROWS, columns=self.columns.named()):
                    for row in range(batch.num_rows):
                        yield self._of_batch(batch, row)
        except (pa.ArrowException, OSError):
            yield BadRecord("bad_parquet")

    def _of_line(self, line: bytes) -> Record | BadRecord:
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return BadRecord("not_utf8")
        except (ValueError, RecursionError):
            return BadRecord("bad_json")
        return self._of_row(row) if isinstance(row, dict) else BadRecord("bad_json")

    def _of_batch(self, batch: pa.RecordBatch, row: int) -> Record | BadRecord:
        try:
            return self._of_row({name: batch.column(name)[row].as_py() for name in self.columns.named()})
        except UnicodeDecodeError:
            return BadRecord("not_utf8")

    def _of_row(self, row: Mapping[str, Any]) -> Record | BadRecord:
        columns = self.columns
        body = row.get(columns.body)
        if body is None:
            return BadRecord("missing_field")
        if not isinstance(body, str | bytes):
            return BadRecord("bad_field")
        try:
            payload = body.encode() if isinstance(body, str) else body
            if columns.text:
                payload.decode()
        except UnicodeError:
            return BadRecord("not_utf8")
        if not payload.strip():
            return BadRecord("empty")
        if len(payload) > self.size_bytes:
            return BadRecord("too_large")
        given = row.get(columns.url) if columns.url else None
        url = canonical_url(str(given), self.session_parameters) if given else None
        if given and url is None:
            return BadRecord("bad_url")
        named = {"title": columns.title, "license": columns.license, "language": columns.language}
        values = {key: row.get(name) for key, name in named.items() if name}
        # HTML that came as bytes says its charset itself.
        charset = "" if columns.html and isinstance(body, bytes) else "utf-8"
        content_type = described_type("text/html" if columns.html else "text/plain", charset, values)
        return Record("resource", url, content_type, payload)


def described_type(kind: str, charset: str, parameters: Mapping[str, object]) -> str:
    """A Content-Type that carries what a row says of its document as parameters, values as RFC 2231 has them.

    `email.message.Message.get_param` and `email.utils.collapse_rfc2231_value` read them back.
    """
    message = Message()
    message["Content-Type"] = kind
    if charset:
        message.set_param("charset", charset)
    for name, value in parameters.items():
        if isinstance(value, str) and value.strip():
            plain = value.strip().encode("utf-8", "replace").decode()
            message.set_param(name, plain, charset="" if plain.isascii() and plain.isprintable() else "utf-8")
    return str(message["Content-Type"])


def _skip_line(lines: Any) -> None:
    while (piece := lines.readline(1 << 20)) and not piece.endswith(b"\n"):
        pass
