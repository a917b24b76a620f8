"""WARC 1.1 files, appended record by record, so that a kill costs at most the record being written."""

import os
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets.captures import Capture
from assets.crawl.pages import Headers, header
from assets.crawl.records import Record
from assets.documents import document_id
from resources.build import Build
from resources.errors import BuildError

GZIP_LEVEL = 6
PROFILE = "http://netpreserve.org/warc/1.1/revisit"
# Transfer headers that no longer hold for the stored body keep their value under Common Crawl's names.
RENAMED = {"content-encoding": "X-Crawler-Content-Encoding", "transfer-encoding": "X-Crawler-Transfer-Encoding"}

End = tuple[str, int] | None


class Archive:
    """The WARC files of one build: the open one grows in scratch, and is put in place when it is full.

    A kill leaves the open file with a torn tail, or with a record that the ledger does not know; so it
    is cut after `last`, the last known record (its file, and the byte where it ends), if there is one.
    Records carry `date`, or else the time when they were written.
    """

    def __init__(self, build: Build, full_bytes: int, about: Mapping[str, str], last: End, date: str | None = None):
        self.build, self.full_bytes, self.about, self.date = build, full_bytes, about, date
        self.snapshot = f"{build.partition}"
        self.folder = build.scratch / "warc"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.number = 0
        self._file: BinaryIO | None = None
        name = os.path.basename(last[0]) if last else ""
        for part in self.folder.iterdir():
            if part.name != name or build.has(f"warc/{name}"):
                part.unlink()
        if last is not None:
            self.number = int(name.partition(".")[0]) + build.has(last[0])
            part = self.folder / self._name
            if part.exists():
                if part.stat().st_size < last[1]:
                    raise BuildError(
                        f"{part} is shorter than its ledger says (a power cut?); delete {build.scratch} and run again"
                    )
                os.truncate(part, last[1])

    def roll(self) -> None:
        """Begin a new file if this one is full; only when the ledger knows every record in it."""
        part = self.folder / self._name
        if part.exists() and part.stat().st_size >= self.full_bytes:
            self.close()
            self.number += 1

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

    def keep(self, url: str, record: Record, sha256: str) -> Capture:
        """Write a document under `url`: as a fetched page, its payload decoded (see `RENAMED`), or as a resource."""
        warc, http = {"WARC-Payload-Digest": f"sha256:{sha256}"}, None
        if record.kind == "response":
            http = _http_headers(record.status, record.headers, len(record.payload))
        else:
            warc["Content-Type"] = record.content_type
        place = self._append(record.kind, url, warc, record.date or self.date, record.payload, http)
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
        http = _http_headers(status, headers, None)
        file, offset, length = self._append("revisit", url, warc, self.date, b"", http)
        return replace(
            original,
            id=document_id(url, self.snapshot),
            snapshot=self.snapshot,
            kind="revisit",
            status=status,
            content_type=header(headers, "Content-Type") or original.content_type,
            etag=header(headers, "ETag") or original.etag,
            last_modified=header(headers, "Last-Modified") or original.last_modified,
            file=file,
            offset=offset,
            length=length,
        )

    @property
    def _name(self) -> str:
        return f"{self.number:05}.warc.gz"

    def _append(
        self,
        kind: str,
        url: str,
        headers: Mapping[str, str],
        date: str | None,
        body: bytes,
        http: StatusAndHeaders | None,
    ) -> tuple[str, int, int]:
        """Write one gzip member behind the others, and say where: file, offset, length. It is there on return."""
        part = self.folder / self._name
        if self._file is None:
            is_new = not part.exists()
            self._file = part.open("wb" if is_new else "ab")
            if is_new:
                fields = {"WARC-Filename": part.name, "Content-Type": "application/warc-fields"}
                about = "".join(f"{key}: {value}\r\n" for key, value in self.about.items()).encode()
                self._file.write(
                    _member("warcinfo", "", f"{self.snapshot} {part.name}", fields, self.date, about, None)
                )
        member = _member(kind, url, f"{self.snapshot} {url}", headers, date, body, http)
        offset = self._file.tell()
        self._file.write(member)
        self._file.flush()
        return f"warc/{part.name}", offset, len(member)


def _member(
    kind: str,
    url: str,
    identity: str,
    headers: Mapping[str, str],
    date: str | None,
    body: bytes,
    http: StatusAndHeaders | None,
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


def _http_headers(status: int, headers: Headers, length: int | None) -> StatusAndHeaders:
    kept = [(RENAMED.get(name.lower(), name), value) for name, value in headers if name.lower() != "content-length"]
    if length is not None:
        kept.append(("Content-Length", str(length)))
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return StatusAndHeaders(f"{status} {phrase}".strip(), kept, protocol="HTTP/1.1")
