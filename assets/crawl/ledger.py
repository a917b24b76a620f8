"""The ledger of a crawl: every URL that was considered and what became of it, durable page by page.

One SQLite file in the build's scratch folder is frontier, journal and index at once. A page's
fate, its links and the place of its WARC record are committed together, after the record itself
was written; so what the ledger says is whole, and what it does not say did not happen.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from enum import IntEnum
from pathlib import Path

from assets.captures import CAPTURE_SCHEMA, Capture
from assets.crawl.urls import origin_of
from assets.documents import shard_of
from resources.errors import BuildError


class State(IntEnum):
    WAITING = 0
    ADMITTED = 1
    CAPTURED = 2
    DROPPED = 3


LEDGER = "ledger.sqlite"
COLUMNS = ", ".join(CAPTURE_SCHEMA.names)
# `targets` are the pages that a page leads to, one a line; `size_bytes` is 0 for a 304, which brought no payload.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, origin TEXT, shard INTEGER, rank INTEGER, depth INTEGER, hops INTEGER,
    state INTEGER, admitted INTEGER DEFAULT 0, reason TEXT, targets TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON pages (state, depth, origin);
CREATE TABLE IF NOT EXISTS kept ({COLUMNS}, size_bytes, PRIMARY KEY (url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, records INTEGER, is_done INTEGER);
CREATE TABLE IF NOT EXISTS tally (finished INTEGER, known INTEGER);
INSERT INTO tally SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM tally);
CREATE TRIGGER IF NOT EXISTS found AFTER INSERT ON pages BEGIN UPDATE tally SET known = known + 1; END;
CREATE TRIGGER IF NOT EXISTS ended AFTER UPDATE OF state ON pages WHEN NEW.state >= 2
    BEGIN UPDATE tally SET finished = finished + 1; END;
"""


class Ledger:
    """The ledger in file `path`, made where it is not there yet; what is written in a block `with ledger.db` is one.

    Raises BuildError if the file is there and is not a ledger.
    """

    def __init__(self, path: Path, shards: int):
        self.path, self.shards = path, shards
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path)
        try:
            # No sync per page: a power cut may lose the last pages, a kill loses nothing.
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise BuildError(f"{path} is not a crawl's ledger ({error}); delete it and run again") from error

    def close(self) -> None:
        self.db.close()

    # the frontier

    def add(self, urls: Iterable[str], depth: int, hops: int = 0) -> None:
        """Note URLs that were come across; of several ways to one that waits, the shortest counts."""
        self.db.executemany(
            "INSERT INTO pages (url, origin, shard, rank, depth, hops, state) VALUES (?, ?, ?, ?, ?, ?, 0) "
            "ON CONFLICT (url) DO UPDATE SET depth = excluded.depth, hops = excluded.hops "
            "WHERE state = 0 AND (excluded.depth, excluded.hops) < (depth, hops)",
            ((url, origin_of(url), shard_of(url, self.shards), shard_of(url, 2**62), depth, hops) for url in urls),
        )

    def depth(self) -> int | None:
        """The least depth at which pages are left."""
        (depth,) = self.db.execute("SELECT min(depth) FROM pages WHERE state IN (0, 1)").fetchone()
        return None if depth is None else int(depth)

    def origins(self, depth: int, state: State) -> list[str]:
        """The origins that have pages of a depth in this state."""
        query = "SELECT DISTINCT origin FROM pages WHERE state = ? AND depth = ? ORDER BY origin"
        return [origin for (origin,) in self.db.execute(query, (state, depth))]

    def waiting(self, depth: int) -> list[tuple[str, int]]:
        """The waiting pages of a depth and the redirects that led to each, in the order of a hash of the URL."""
        query = "SELECT url, hops FROM pages WHERE state = 0 AND depth = ? ORDER BY rank, url"
        return self.db.execute(query, (depth,)).fetchall()

    def admit(self, decisions: Iterable[tuple[str, str]]) -> None:
        """Admit waiting pages (reason "") or drop them."""
        self.db.executemany(
            "UPDATE pages SET state = ?, admitted = ?, reason = ? WHERE url = ?",
            ((State.DROPPED if reason else State.ADMITTED, not reason, reason, url) for url, reason in decisions),
        )

    def admitted(self, depth: int, origin: str) -> list[tuple[str, int]]:
        """The pages of a depth and origin that are still to be fetched, and the redirects to each, in URL order."""
        query = "SELECT url, hops FROM pages WHERE state = 1 AND depth = ? AND origin = ? ORDER BY url"
        return self.db.execute(query, (depth, origin)).fetchall()

    def admitted_urls(self) -> Iterator[str]:
        """Every URL that was admitted so far; what the limits count."""
        return (url for (url,) in self.db.execute("SELECT url FROM pages WHERE admitted"))

    # what became of pages

    def keep(self, capture: Capture, size_bytes: int, links: Sequence[str] = ()) -> None:
        self._finish(capture.url, State.CAPTURED, "", links)
        row = (*astuple(capture), size_bytes)
        self.db.execute(f"INSERT INTO kept VALUES ({', '.join('?' * len(row))})", row)

    def drop(self, url: str, reason: str, links: Sequence[str] = ()) -> None:
        self._finish(url, State.DROPPED, reason, links)

    def _finish(self, url: str, state: State, reason: str, links: Sequence[str]) -> None:
        row = (state, reason, "\n".join(links) or None, url)
        self.db.execute("UPDATE pages SET state = ?, reason = ?, targets = ? WHERE url = ?", row)

    # files of records

    def progress(self, file: str) -> tuple[int, bool]:
        """How many records of a file were entered, and whether that was all of them."""
        row = self.db.execute("SELECT records, is_done FROM files WHERE name = ?", (file,)).fetchone()
        return (row[0], bool(row[1])) if row else (0, False)

    def note_progress(self, file: str, records: int, *, is_done: bool) -> None:
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (file, records, is_done))

    def knows(self, url: str) -> bool:
        return self.db.execute("SELECT 1 FROM pages WHERE url = ?", (url,)).fetchone() is not None

    def enter(self, url: str) -> None:
        """Note a record that came from a file, to be kept or dropped next."""
        self.db.execute("INSERT INTO pages (url, origin, shard) VALUES (?, '', ?)", (url, shard_of(url, self.shards)))

    # what there is

    def counts(self) -> tuple[int, int]:
        """How many URLs are finished, and how many are known."""
        finished, known = self.db.execute("SELECT finished, known FROM tally").fetchone()
        return finished, known

    def discard_empty(self) -> str | None:
        """Delete the ledger of a crawl that kept nothing, so that the next attempt starts anew, and say why it did."""
        if self.last_record() is not None:
            return None
        reasons = self.db.execute("SELECT reason, count(*) FROM pages GROUP BY reason ORDER BY reason").fetchall()
        self.close()
        self.path.unlink()
        return ", ".join(f"{reason} {count}" for reason, count in reasons) or "nothing was found"

    def last_record(self) -> tuple[str, int] | None:
        """The last WARC file that holds records, and the byte where the last of them ends."""
        query = "SELECT file, max(offset + length) FROM kept GROUP BY file ORDER BY file DESC LIMIT 1"
        row = self.db.execute(query).fetchone()
        return row and (row[0], row[1])
