"""Files of documents enter where a crawl does: the same WARC records, index, accounting and digest."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import IO

from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.files import SourceFile, source_files
from assets.crawl.index import write_index
from assets.crawl.ledger import LEDGER, Ledger
from assets.crawl.pages import media_type, opt_out, read_page
from assets.crawl.records import BadRecord, Record, Rows
from assets.crawl.sources import JsonlSource, RowSource, WarcSource
from assets.crawl.urls import canonical_url
from assets.crawl.warc_records import read_warc
from resources.build import Build, Outcome, Progress
from resources.errors import InputError

BATCH = 200


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
        for file in files:
            importer.read(file)
        importer.archive.close()
        outcome = write_index(build, ledger, {"files": len(files)})
    finally:
        ledger.close()
    if not outcome.stats["kept"]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in outcome.stats["dropped"].items())
        raise InputError(
            f"crawl.source.paths: none of the {outcome.stats['entered']} records can be used ({reasons or 'none'});"
            " are the files of this kind, and are `columns` their names?"
        )
    return outcome


class _Importer:
    def __init__(self, build: Build, config: CrawlConfig, source: WarcSource | RowSource, ledger: Ledger):
        self.build, self.config, self.source, self.ledger = build, config, source, ledger
        about = {"software": config.user_agent, "format": "WARC File Format 1.1"}
        date = f"{build.partition}T00:00:00Z"
        self.archive = Archive(build, config.warc_bytes, about, ledger.last_record(), date)

    def read(self, file: SourceFile) -> None:
        """Enter a file's records, from the one after the last that an attempt before has entered."""
        done, is_done = self.ledger.progress(file.name)
        if is_done:
            return
        with file.open(self.source) as stream:
            rest = islice(enumerate(self._records(stream), start=1), done, None)
            while batch := list(islice(rest, BATCH)):
                self.archive.roll()
                with self.ledger.transaction():
                    for number, record in batch:
                        self._enter(f"file:{file.name}#{number}", record)
                    self.ledger.note_progress(file.name, batch[-1][0], is_done=False)
                self.build.report(Progress("crawl", self.ledger.counts()[0], None, "records"))
        self.ledger.note_progress(file.name, done, is_done=True)

    def _records(self, stream: IO[bytes]) -> Iterator[Record | BadRecord]:
        limit = self.config.limits.size_bytes
        if isinstance(self.source, WarcSource):
            return read_warc(stream, limit)
        rows = Rows(self.source.columns, limit, self.config.session_parameters)
        return rows.read_jsonl(stream) if isinstance(self.source, JsonlSource) else rows.read_parquet(stream)

    def _enter(self, name: str, record: Record | BadRecord) -> None:
        url = None
        if isinstance(record, Record):
            url = name if record.url is None else canonical_url(record.url, self.config.session_parameters)
        reason = record.reason if isinstance(record, BadRecord) else self._refusal(record, url)
        if reason or isinstance(record, BadRecord) or url is None:
            self.ledger.enter(name)
            self.ledger.drop(name, reason)
            return
        self.ledger.enter(url)
        capture = self.archive.keep(url, record, hashlib.sha256(record.payload).hexdigest())
        self.ledger.keep(capture, len(record.payload))

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
