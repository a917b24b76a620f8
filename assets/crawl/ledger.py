"""The ledger of a crawl: every URL that was considered and what became of it, durable page by page.

One SQLite file in the build's scratch folder is frontier, journal and index at once. A page's
fate, its links and the place of its WARC record are committed together, after the record itself
was written; so what the ledger says is whole, and what it does not say did not happen.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from assets.captures import CAPTURE_SCHEMA, Capture
from assets.crawl.urls import origin_of
from assets.documents import shard_of
from resources.errors import BuildError


class State(IntEnum):
    WAITING = 0
    ADMITTED = 1
    CAPTURED = 2
    DROPPED = 3


class Round(NamedTuple):
    """Pages that are fetched together: `depth` links away, `step` for what redirects and sitemaps add at that depth."""

    depth: int
    step: int


class Found(NamedTuple):
    """A URL that was come across: in which round it is due, and after how many redirects."""

    url: str
    round: Round
    hops: int = 0


LEDGER = "ledger.sqlite"
COLUMNS = ", ".join(CAPTURE_SCHEMA.names)
# `size_bytes` of `kept` is that of a payload fetched whole, 0 for a 304.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, origin TEXT, shard INTEGER, rank INTEGER, depth INTEGER, step INTEGER, hops INTEGER,
    state INTEGER, admitted INTEGER DEFAULT 0, reason TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON pages (state, depth, step, origin);
CREATE TABLE IF NOT EXISTS kept ({COLUMNS}, size_bytes, PRIMARY KEY (url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (url TEXT PRIMARY KEY, targets TEXT);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, records INTEGER, is_done INTEGER);
"""


class Ledger:
    """The ledger in file `path`, made where it is not there yet.

    Raises BuildError if the file is there and is not a ledger.
    """

    def __init__(self, path: Path, shards: int):
        self.path, self.shards = path, shards
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, isolation_level=None)
        try:
            # No sync per page: a power cut may lose the last pages, a kill loses nothing.
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise BuildError(f"{path} is not a crawl's ledger ({error}); delete it and run again") from error

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block, or nothing."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # the frontier

    def add(self, found: Iterable[Found]) -> None:
        """Note URLs that were come across; of several ways to one that waits, the one that is due first counts."""
        self.db.executemany(
            "INSERT INTO pages (url, origin, shard, rank, depth, step, hops, state) VALUES (?, ?, ?, ?, ?, ?, ?, 0) "
            "ON CONFLICT (url) DO UPDATE SET depth = excluded.depth, step = excluded.step, hops = excluded.hops "
            "WHERE state = 0 AND (excluded.depth, excluded.step, excluded.hops) < (depth, step, hops)",
            (
                (url, origin_of(url), shard_of(url, self.shards), shard_of(url, 2**62), *due, hops)
                for url, due, hops in found
            ),
        )

    def next_round(self) -> Round | None:
        """The first round that has pages left."""
        query = "SELECT depth, step FROM pages WHERE state IN (0, 1) ORDER BY depth, step LIMIT 1"
        row = self.db.execute(query).fetchone()
        return row and Round(*row)

    def origins(self, round: Round, state: State) -> list[str]:
        """The origins that have pages of a round in this state."""
        query = "SELECT DISTINCT origin FROM pages WHERE state = ? AND depth = ? AND step = ? ORDER BY origin"
        return [origin for (origin,) in self.db.execute(query, (state, *round))]

    def waiting(self, round: Round) -> list[tuple[str, int]]:
        """The round's waiting pages and the redirects that led to each, in the order of a hash of the URL."""
        query = "SELECT url, hops FROM pages WHERE state = 0 AND depth = ? AND step = ? ORDER BY rank, url"
        return self.db.execute(query, round).fetchall()

    def admit(self, decisions: Iterable[tuple[str, str]]) -> None:
        """Admit waiting pages (reason "") or drop them."""
        self.db.executemany(
            "UPDATE pages SET state = ?, admitted = ?, reason = ? WHERE url = ?",
            ((State.DROPPED if reason else State.ADMITTED, not reason, reason, url) for url, reason in decisions),
        )

    def admitted(self, round: Round, origin: str) -> list[tuple[str, int]]:
        """The round's pages of an origin that are still to be fetched, and the redirects to each, in URL order."""
        query = "SELECT url, hops FROM pages WHERE state = 1 AND depth = ? AND step = ? AND origin = ? ORDER BY url"
        return self.db.execute(query, (*round, origin)).fetchall()

    def admitted_urls(self) -> Iterator[str]:
        """Every URL that was admitted so far; what the limits count."""
        return (url for (url,) in self.db.execute("SELECT url FROM pages WHERE admitted"))

    # what became of pages

    def keep(self, capture: Capture, size_bytes: int, links: Sequence[str] = ()) -> None:
        self.db.execute("UPDATE pages SET state = ? WHERE url = ?", (State.CAPTURED, capture.url))
        row = (*astuple(capture), size_bytes)
        self.db.execute(f"INSERT OR REPLACE INTO kept VALUES ({', '.join('?' * len(row))})", row)
        self._link(capture.url, links)

    def drop(self, url: str, reason: str, links: Sequence[str] = ()) -> None:
        self.db.execute("UPDATE pages SET state = ?, reason = ? WHERE url = ?", (State.DROPPED, reason, url))
        self._link(url, links)

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
        self.db.execute("INSERT INTO pages VALUES (?, '', ?, 0, 0, 0, 0, 0, 0, '')", (url, shard_of(url, self.shards)))

    # what there is

    def counts(self) -> tuple[int, int]:
        """How many URLs are finished, and how many are known."""
        rows = dict(self.db.execute("SELECT state, count(*) FROM pages GROUP BY state"))
        return rows.get(State.CAPTURED, 0) + rows.get(State.DROPPED, 0), sum(rows.values())

    def last_record(self) -> tuple[str, int] | None:
        """The last WARC file that holds records, and the byte where the last of them ends."""
        query = "SELECT file, max(offset + length) FROM kept GROUP BY file ORDER BY file DESC LIMIT 1"
        row = self.db.execute(query).fetchone()
        return row and (row[0], row[1])

    def _link(self, url: str, links: Sequence[str]) -> None:
        if links:
            self.db.execute("INSERT OR REPLACE INTO links VALUES (?, ?)", (url, "\n".join(links)))
