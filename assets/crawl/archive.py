"""WARC 1.1 files, appended record by record, so that a kill costs at most the record being written."""

import gzip
import os
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets.captures import Capture
from assets.crawl.config import CrawlConfig
from assets.crawl.ledger import Ledger
from assets.crawl.pages import Headers, header
from assets.crawl.records import Record
from assets.documents import document_id
from resources.build import Build
from resources.errors import BuildError

PROFILE = "http://netpreserve.org/warc/1.1/revisit"
GZIP_LEVEL = 6  # warcio takes 9: a percent smaller, at several times the cost
# Transfer headers that no longer hold for the stored body keep their value under Common Crawl's names.
RENAMED = {"content-encoding": "X-Crawler-Content-Encoding", "transfer-encoding": "X-Crawler-Transfer-Encoding"}


class Archive:
    """The WARC files of one build: the open one grows in scratch, and is put in place when it is full.

    A kill leaves the open file with a torn tail, or with a record that the ledger does not know; so it
    is cut after the last known record. Records carry `date`, or else the time when they were written.
    """

    def __init__(self, build: Build, config: CrawlConfig, ledger: Ledger, date: str | None = None):
        self.build, self.config, self.date, self.number = build, config, date, 0
        self.snapshot = f"{build.partition}"
        self.folder = build.scratch / "warc"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = None
        name, end = ledger.last_record() or ("", 0)
        for part in self.folder.iterdir():
            if f"warc/{part.name}" != name or build.has(name):
                part.unlink()
        if name:
            self.number = int(Path(name).name.partition(".")[0]) + build.has(name)
        if self._part.exists():
            if self._part.stat().st_size < end:
                raise BuildError(
                    f"{self._part} is shorter than its ledger says (a power cut?); delete {build.scratch} and run again"
                )
            os.truncate(self._part, end)

    @property
    def _part(self) -> Path:
        return self.folder / f"{self.number:05}.warc.gz"

    def roll(self) -> None:
        """Begin a new file if this one is full; only when the ledger knows every record in it."""
        if self._part.exists() and self._part.stat().st_size >= self.config.warc_bytes:
            self.close()
            self.number += 1

    def close(self) -> None:
        """Put the open file in place."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._part.exists():
            with self.build.file(f"warc/{self._part.name}") as path:
                # A second name for the same file: a kill before it is in place must not lose the first.
                os.link(self._part, path)
            self._part.unlink()

    def keep(self, url: str, record: Record, sha256: str) -> Capture:
        """Write a document under `url`: as a fetched page, its payload decoded (see `RENAMED`), or as a resource."""
        warc, http = {"WARC-Payload-Digest": f"sha256:{sha256}"}, None
        if record.kind == "response":
            http = _http_headers(record.status, record.headers, len(record.payload))
        else:
            warc["Content-Type"] = record.content_type
        if record.date:
            warc["WARC-Date"] = record.date
        place = self._append(record.kind, url, warc, record.payload, http)
        etag, modified = header(record.headers, "ETag"), header(record.headers, "Last-Modified")
        about = (record.kind, record.status, record.content_type, sha256, etag, modified)
        return Capture(document_id(url, self.snapshot), url, self.snapshot, *about, *place)

    def revisit(self, url: str, status: int, headers: Headers, original: Capture, original_date: str) -> Capture:
        """Write that a page is as it was: 304 (profile server-not-modified), or fetched to the same payload."""
        profile = "server-not-modified" if status == HTTPStatus.NOT_MODIFIED else "identical-payload-digest"
        warc = {
            "WARC-Payload-Digest": f"sha256:{original.payload_sha256}",
            "WARC-Profile": f"{PROFILE}/{profile}",
            "WARC-Refers-To-Target-URI": url,
            "WARC-Refers-To-Date": original_date,
        }
        place = self._append("revisit", url, warc, b"", _http_headers(status, headers, None))
        content_type = header(headers, "Content-Type") or original.content_type
        etag = header(headers, "ETag") or original.etag
        modified = header(headers, "Last-Modified") or original.last_modified
        about = (status, content_type, original.payload_sha256, etag, modified)
        return Capture(document_id(url, self.snapshot), url, self.snapshot, "revisit", *about, *place)

    def _append(
        self, kind: str, url: str, warc: Mapping[str, str], body: bytes, http: StatusAndHeaders | None = None
    ) -> tuple[str, int, int]:
        """Write one gzip member behind the others, and say where: file, offset, length. It is there on return."""
        if self._file is None:
            self._file = self._part.open("ab")
            if not self._file.tell():
                about = f"software: {self.config.user_agent}\r\nformat: WARC File Format 1.1\r\n"
                fields = {"WARC-Filename": self._part.name, "Content-Type": "application/warc-fields"}
                self._append("warcinfo", "", fields, about.encode())
        plain = BytesIO()
        writer = WARCWriter(plain, gzip=False, warc_version="WARC/1.1")
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.snapshot} {url or self._part.name}")
        date = self.date or writer.curr_warc_date()
        fields = {"WARC-Record-ID": f"<urn:uuid:{identity}>", "WARC-Date": date, **warc}
        record = writer.create_warc_record(
            url, kind, payload=BytesIO(body), length=len(body), http_headers=http, warc_headers_dict=fields
        )
        offset = self._file.tell()
        writer.write_record(record)
        self._file.write(gzip.compress(plain.getvalue(), GZIP_LEVEL, mtime=0))
        self._file.flush()
        return f"warc/{self._part.name}", offset, self._file.tell() - offset


def _http_headers(status: int, headers: Headers, length: int | None) -> StatusAndHeaders:
    kept = [(RENAMED.get(name.lower(), name), value) for name, value in headers if name.lower() != "content-length"]
    if length is not None:
        kept.append(("Content-Length", str(length)))
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return StatusAndHeaders(f"{status} {phrase}".strip(), kept, protocol="HTTP/1.1")
