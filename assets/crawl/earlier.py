"""What the snapshot before saw of each page, so that a page which did not change is not fetched again."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from warcio.archiveiterator import ArchiveIterator

from assets.captures import capture_shards, read_captures
from assets.crawl.ledger import Ledger
from resources.errors import InputError

LINKS_SCHEMA = pa.schema([("url", pa.string()), ("targets", pa.list_(pa.string()))])


@dataclass(frozen=True, slots=True)
class Earlier:
    """A page as the snapshot before kept it; `file` and `offset` locate its record there, `links` are its targets."""

    url: str
    content_type: str
    payload_sha256: str
    etag: str
    last_modified: str
    file: str
    offset: int
    links: str

    def conditions(self) -> dict[str, str]:
        """The headers that make a request conditional (RFC 9110, section 13.1)."""
        given = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in given.items() if value}


class EarlierSnapshot:
    """The pages of the crawl in `folder`, looked up in the ledger's own file."""

    def __init__(self, ledger: Ledger, folder: Path | None):
        self.ledger, self.folder = ledger, folder
        columns = ", ".join(field.name for field in fields(Earlier))
        ledger.db.execute(f"CREATE TABLE IF NOT EXISTS earlier ({columns}, PRIMARY KEY (url)) WITHOUT ROWID")
        if folder is not None and ledger.db.execute("SELECT 1 FROM earlier LIMIT 1").fetchone() is None:
            with ledger.transaction():
                for shard in range(capture_shards(folder)):
                    self._load(folder, shard)

    def page(self, url: str) -> Earlier | None:
        row = self.ledger.db.execute("SELECT * FROM earlier WHERE url = ?", (url,)).fetchone()
        return row and Earlier(*row)

    def date_of(self, page: Earlier) -> str:
        """The WARC-Date of the record that holds the page's payload.

        Raises:
            InputError: if the record is not where the index says.
        """
        assert self.folder is not None
        with (self.folder / page.file).open("rb") as file:
            file.seek(page.offset)
            record = next(iter(ArchiveIterator(file)), None)
            if record is None or record.rec_headers.get_header("WARC-Target-URI") != page.url:
                raise InputError(
                    f"{self.folder / page.file} at byte {page.offset}: no record of {page.url}; run `tidemill verify`"
                )
            headers = record.rec_headers
            return str(headers.get_header("WARC-Refers-To-Date") or headers.get_header("WARC-Date"))

    def _load(self, folder: Path, shard: int) -> None:
        table = pq.read_table(folder / "links" / f"{shard:05}.parquet", schema=LINKS_SCHEMA)
        links = dict(zip(table["url"].to_pylist(), table["targets"].to_pylist(), strict=True))
        rows = (
            Earlier(
                url=capture.url,
                content_type=capture.content_type,
                payload_sha256=capture.payload_sha256,
                etag=capture.etag,
                last_modified=capture.last_modified,
                file=capture.file,
                offset=capture.offset,
                links="\n".join(links.get(capture.url, ())),
            )
            for capture in read_captures(folder, shard)
        )
        marks = ", ".join("?" * len(fields(Earlier)))
        self.ledger.db.executemany(f"INSERT OR REPLACE INTO earlier VALUES ({marks})", map(astuple, rows))
