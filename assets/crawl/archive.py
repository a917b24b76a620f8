"""WARC 1.1 files, appended record by record, so that a kill costs at most the record being written."""

from __future__ import annotations

import os
import uuid
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from resources.build import Build
from resources.errors import BuildError

GZIP_LEVEL = 6
PROFILE = "http://netpreserve.org/warc/1.1/revisit"
# Transfer headers that no longer hold for the stored body keep their value under Common Crawl's names.
RENAMED = {"content-encoding": "X-Crawler-Content-Encoding", "transfer-encoding": "X-Crawler-Transfer-Encoding"}


@dataclass(frozen=True)
class Place:
    """Where a record lies: its file within the artifact, and its gzip member there."""

    file: str
    offset: int
    length: int


class Archive:
    """The WARC files of one build: the open one grows in scratch, and is put in place when it is full.

    A kill leaves the open file with a torn tail, or with a record that the ledger does not know:
    `resume` cuts it where the known records end.
    """

    def __init__(self, build: Build, full_bytes: int, software: Mapping[str, str], date: str | None = None):
        self.build, self.full_bytes, self.software, self.date = build, full_bytes, software, date
        self.folder = build.scratch / "warc"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.number = 0
        self._file: BinaryIO | None = None

    def resume(self, last: tuple[str, int] | None) -> None:
        """Go on after the last known record, which ends at this byte of this file (None: there is none)."""
        name = os.path.basename(last[0]) if last else ""
        for part in self.folder.iterdir():
            if part.name != name or self.build.has(f"warc/{name}"):
                part.unlink()
        if last is not None:
            self.number = int(name.partition(".")[0]) + self.build.has(last[0])
            part = self.folder / self._name
            if part.exists():
                if part.stat().st_size < last[1]:
                    raise BuildError(
                        f"{part} is shorter than its ledger says (a power cut?); "
                        f"delete {self.build.scratch} and run again"
                    )
                os.truncate(part, last[1])

    def roll(self) -> None:
        """Begin a new file if this one is full; only when the ledger knows every record in it."""
        part = self.folder / self._name
        if part.exists() and part.stat().st_size >= self.full_bytes:
            self.close()
            self.number += 1

    def append(self, record: bytes) -> Place:
        """Write one gzip member behind the others; it is in the file when this returns."""
        if self._file is None:
            self._open()
        assert self._file is not None
        place = Place(f"warc/{self._name}", self._file.tell(), len(record))
        self._file.write(record)
        self._file.flush()
        return place

    def close(self) -> None:
        """Put the open file in place."""
        part = self.folder / self._name
        if self._file is not None:
            self._file.close()
            self._file = None
        if part.exists():
            with self.build.file(f"warc/{self._name}") as path:
                # A second name for the same file: a kill before it is in place must not lose the first.
                os.link(part, path)
            part.unlink()

    @property
    def _name(self) -> str:
        return f"{self.number:05}.warc.gz"

    def _open(self) -> None:
        part = self.folder / self._name
        is_new = not part.exists()
        self._file = part.open("wb" if is_new else "ab")
        if is_new:
            self._file.write(warcinfo(self._name, self.software, f"{self.build.partition}", self.date))


def warcinfo(name: str, fields: Mapping[str, str], snapshot: str, date: str | None) -> bytes:
    """The record that opens a WARC file and says how it was made."""
    body = "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode()
    headers = {"WARC-Filename": name, "Content-Type": "application/warc-fields"}
    return _record("warcinfo", "", f"{snapshot} {name}", headers, date, body=body)


def response(
    url: str,
    snapshot: str,
    status: int,
    headers: Iterable[tuple[str, str]],
    payload: bytes,
    sha256: str,
    date: str | None = None,
) -> bytes:
    """A page as fetched, its payload decoded (see `RENAMED`)."""
    http = _http_headers(status, headers, len(payload))
    warc = {"WARC-Payload-Digest": f"sha256:{sha256}"}
    return _record("response", url, f"{snapshot} {url}", warc, date, body=payload, http=http)


def revisit(
    url: str, snapshot: str, status: int, headers: Iterable[tuple[str, str]], sha256: str, original_date: str
) -> bytes:
    """A page that is as it was: 304 (profile server-not-modified), or fetched to the same payload."""
    profile = "server-not-modified" if status == HTTPStatus.NOT_MODIFIED else "identical-payload-digest"
    warc = {
        "WARC-Payload-Digest": f"sha256:{sha256}",
        "WARC-Profile": f"{PROFILE}/{profile}",
        "WARC-Refers-To-Target-URI": url,
        "WARC-Refers-To-Date": original_date,
    }
    return _record("revisit", url, f"{snapshot} {url}", warc, None, http=_http_headers(status, headers, None))


def resource(url: str, snapshot: str, content_type: str, payload: bytes, sha256: str, date: str) -> bytes:
    """A document that came from a file."""
    warc = {"WARC-Payload-Digest": f"sha256:{sha256}", "Content-Type": content_type}
    return _record("resource", url, f"{snapshot} {url}", warc, date, body=payload)


def _record(
    kind: str,
    url: str,
    identity: str,
    headers: Mapping[str, str],
    date: str | None,
    *,
    body: bytes = b"",
    http: StatusAndHeaders | None = None,
) -> bytes:
    plain = BytesIO()
    writer = WARCWriter(plain, gzip=False, warc_version="WARC/1.1")
    fields = {"WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}>", **headers}
    fields["WARC-Date"] = date or writer.curr_warc_date()
    record = writer.create_warc_record(
        url, kind, payload=BytesIO(body), length=len(body), http_headers=http, warc_headers_dict=fields
    )
    writer.write_record(record)
    squeezer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return squeezer.compress(plain.getvalue()) + squeezer.flush()


def _http_headers(status: int, headers: Iterable[tuple[str, str]], length: int | None) -> StatusAndHeaders:
    kept = [(RENAMED.get(name.lower(), name), value) for name, value in headers if name.lower() != "content-length"]
    if length is not None:
        kept.append(("Content-Length", str(length)))
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return StatusAndHeaders(f"{status} {phrase}".strip(), kept, protocol="HTTP/1.1")
