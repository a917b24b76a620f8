"""Files of documents enter where a crawl does: the same WARC records, index, accounting and digest."""

import hashlib
import posixpath
from collections.abc import Iterator
from glob import has_magic
from itertools import islice
from typing import IO

import fsspec
from fsspec.core import OpenFile, url_to_fs

from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.index import write_index
from assets.crawl.ledger import LEDGER, Ledger
from assets.crawl.pages import media_type, opt_out, read_page
from assets.crawl.records import Read, Record, read_jsonl, read_parquet
from assets.crawl.sources import RowSource, WarcSource
from assets.crawl.urls import canonical_url
from assets.crawl.warc_records import read_warc
from resources.build import Build, Outcome, Progress
from resources.errors import InputError

BATCH = 200
LISTS = (".paths", ".paths.gz")


def import_records(build: Build, config: CrawlConfig, source: WarcSource | RowSource) -> Outcome:
    """Copy the source's records into the build, file by file, and index them.

    A record that cannot be used is dropped under the name `file:NAME#NUMBER`, with the reason. The
    bytes follow from the files and the snapshot alone: dates are those of the records, or the
    snapshot's. Raises InputError if there is no such file, or no record that can be used.
    """
    ledger = Ledger(build.scratch / LEDGER, config.shards)
    try:
        importer = _Importer(build, config, source, ledger)
        files = source_files(source)
        for name, file in files.items():
            importer.read(name, file)
        importer.archive.close()
        entered, _ = ledger.counts()
        if reasons := ledger.discard_empty():
            raise InputError(
                f"crawl.source: none of the {entered} records can be used ({reasons}); are the files of this kind, and "
                "does crawl.source.columns name the fields that they have?"
            )
        return write_index(build, config.limits, ledger, {"files": len(files)})
    finally:
        ledger.close()


class _Importer:
    def __init__(self, build: Build, config: CrawlConfig, source: WarcSource | RowSource, ledger: Ledger):
        self.build, self.config, self.source, self.ledger = build, config, source, ledger
        self.archive = Archive(build, config, ledger, date=f"{build.partition}T00:00:00Z")

    def read(self, name: str, file: OpenFile) -> None:
        """Enter a file's records, from the one after the last that an attempt before has entered."""
        done, is_done = self.ledger.progress(name)
        if is_done:
            return
        try:
            stream = file.open()
        except OSError as error:
            raise InputError(f"crawl.source.paths: {file.path} cannot be read ({error})") from error
        with stream:
            rest = islice(enumerate(self._records(stream), start=1), done, None)
            while batch := list(islice(rest, BATCH)):
                self.archive.roll()
                done = batch[-1][0]
                with self.ledger.db:
                    for number, record in batch:
                        self._enter(f"file:{name}#{number}", record)
                    self.ledger.note_progress(name, done, is_done=False)
                self.build.report(Progress("crawl", self.ledger.counts()[0], None, "records"))
        with self.ledger.db:
            self.ledger.note_progress(name, done, is_done=True)

    def _records(self, stream: IO[bytes]) -> Iterator[Read]:
        limit = self.config.limits.size_bytes
        if isinstance(self.source, WarcSource):
            return read_warc(stream, limit)
        read = read_jsonl if self.source.kind == "jsonl" else read_parquet
        return read(stream, self.source.columns, limit)

    def _enter(self, name: str, record: Read) -> None:
        """Keep a record under its URL, or drop it under its name."""
        if isinstance(record, str):
            reason = record
        else:
            url = name if record.url is None else canonical_url(record.url, self.config.session_parameters)
            reason = self._refusal(record, url)
            if url is not None and not reason:
                self.ledger.enter(url)
                capture = self.archive.keep(url, record, hashlib.sha256(record.payload).hexdigest())
                self.ledger.keep(capture, len(record.payload))
                return
        self.ledger.enter(name)
        self.ledger.drop(name, reason)

    def _refusal(self, record: Record, url: str | None) -> str:
        if record.kind == "response" and record.status != 200:
            return f"http_{record.status}"
        if media_type(record.content_type) not in self.config.content_types:
            return "content_type"
        if url is None:
            return "bad_url"
        if self.ledger.knows(url):
            return "duplicate_url"
        page = read_page(record.payload, record.content_type, url, self.config.user_agent, record.headers)
        return opt_out(page, self.config.opt_outs)


def source_files(source: WarcSource | RowSource) -> dict[str, OpenFile]:
    """The files of a source in the order of their names, which are relative to what all have in common.

    Entries of Common Crawl lists are named as listed. JSONL is unpacked; WARC and Parquet pack
    their own records. Raises InputError if a path matches no file.
    """
    compression = "infer" if source.kind == "jsonl" else None
    listed: dict[str, OpenFile] = {}
    found: dict[str, OpenFile] = {}
    for path in source.paths:
        if isinstance(source, WarcSource) and path.endswith(LISTS):
            prefix = f"{source.prefix.rstrip('/')}/"
            listed |= {
                entry: fsspec.open(entry if "://" in entry else prefix + entry.lstrip("/"))
                for entry in _read_list(path)
            }
            continue
        fs, plain = url_to_fs(path)
        files = [match for match in (fs.glob(plain) if has_magic(plain) else [plain]) if fs.isfile(match)]
        if not files:
            raise InputError(f"crawl.source.paths: {path} matches no file")
        found |= {fs.unstrip_protocol(file): OpenFile(fs, file, compression=compression) for file in files}
    folder = posixpath.commonpath([posixpath.dirname(path) for path in found]) if found else ""
    named = {posixpath.relpath(path, folder or "."): file for path, file in found.items()}
    return dict(sorted({**named, **listed}.items()))


def _read_list(path: str) -> list[str]:
    try:
        with fsspec.open(path, "rt", compression="infer", encoding="utf-8") as lines:
            return [entry for entry in map(str.strip, lines) if entry]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"crawl.source.paths: the list {path} cannot be read ({error})") from error
