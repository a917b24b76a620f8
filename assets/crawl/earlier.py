"""What the snapshot before saw of each page, so that a page which did not change is not fetched again."""

from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from warcio.archiveiterator import ArchiveIterator

from assets.captures import Capture, capture_shards, read_captures
from assets.crawl.ledger import COLUMNS, Ledger
from resources.errors import InputError

LINKS_SCHEMA = pa.schema([("url", pa.string()), ("targets", pa.list_(pa.string()))])


class Earlier(NamedTuple):
    """A page as the snapshot before kept it, and the URLs that it links to."""

    capture: Capture
    links: list[str]

    def conditions(self) -> dict[str, str]:
        """The headers that make a request conditional (RFC 9110, section 13.1)."""
        given = {"If-None-Match": self.capture.etag, "If-Modified-Since": self.capture.last_modified}
        return {name: value for name, value in given.items() if value}


class EarlierSnapshot:
    """The pages of the crawl in `folder`, looked up in the ledger's own file."""

    def __init__(self, ledger: Ledger, folder: Path | None):
        self.db, self.folder = ledger.db, folder
        self.db.execute(f"CREATE TABLE IF NOT EXISTS earlier ({COLUMNS}, links, PRIMARY KEY (url)) WITHOUT ROWID")
        if folder is not None and self.db.execute("SELECT 1 FROM earlier LIMIT 1").fetchone() is None:
            with ledger.transaction():
                for shard in range(capture_shards(folder)):
                    table = pq.read_table(folder / "links" / f"{shard:05}.parquet", schema=LINKS_SCHEMA)
                    links = dict(zip(*table.to_pydict().values(), strict=True))
                    for capture in read_captures(folder, shard):
                        row = (*astuple(capture), "\n".join(links.get(capture.url, ())))
                        self.db.execute(f"INSERT INTO earlier VALUES ({', '.join('?' * len(row))})", row)

    def page(self, url: str) -> Earlier | None:
        row = self.db.execute("SELECT * FROM earlier WHERE url = ?", (url,)).fetchone()
        return row and Earlier(Capture(*row[:-1]), row[-1].split("\n") if row[-1] else [])

    def date_of(self, capture: Capture) -> str:
        """The WARC-Date of the record that holds the payload; raises InputError if it is not where the index says."""
        assert self.folder is not None
        path = self.folder / capture.file
        with path.open("rb") as file:
            file.seek(capture.offset)
            record = next(iter(ArchiveIterator(file)), None)
            if record is None or record.rec_headers.get_header("WARC-Target-URI") != capture.url:
                raise InputError(f"{path} at byte {capture.offset}: no record of {capture.url}; run `tidemill verify`")
            headers = record.rec_headers
            return str(headers.get_header("WARC-Refers-To-Date") or headers.get_header("WARC-Date"))
