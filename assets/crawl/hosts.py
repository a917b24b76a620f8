"""Hosts, as the ledger keeps them over a kill: when each may be asked again, its rules, and its sitemaps."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime

from assets.crawl.ledger import Ledger
from assets.crawl.robots import Robots, read_robots

SCHEMA = """
CREATE TABLE IF NOT EXISTS robots (origin TEXT PRIMARY KEY, status INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS sitemaps (number INTEGER PRIMARY KEY, url TEXT UNIQUE, origin TEXT, is_done INTEGER);
CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, not_before REAL, failures INTEGER, closed TEXT);
"""


class Host:
    """The turns of one host.

    The delay runs from the end of one request to the start of the next, so that the gap that the
    server sees between arrivals is never shorter, whatever the network does. `closed` is the
    reason why the host is asked nothing more in this crawl, "" while it is open.
    """

    def __init__(self, delay_s: float, rest_s: float, failures: int = 0, closed: str = ""):
        self.delay_s, self.failures, self.closed = delay_s, failures, closed
        self.not_before = time.monotonic() + rest_s
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait until the host may be asked, and for a free slot; the delay starts when the block ends."""
        async with self._lock:
            while (wait := self.not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            async with slots:
                try:
                    yield
                finally:
                    self.rest(self.delay_s)

    def rest(self, pause_s: float) -> None:
        """Ask nothing for `pause_s` seconds from now; a longer rest that was given before stays."""
        self.not_before = max(self.not_before, time.monotonic() + pause_s)

    def slow_down(self, delay_s: float) -> None:
        """Keep at least this delay, from now on."""
        if delay_s > self.delay_s:
            self.delay_s = delay_s
            self.rest(delay_s)


class Hosts:
    """The hosts of one crawl, and what their origins say to crawlers."""

    def __init__(self, ledger: Ledger, user_agent: str, delay_s: float):
        self.db, self.user_agent, self.delay_s = ledger.db, user_agent, delay_s
        self.db.executescript(SCHEMA)
        self._hosts: dict[str, Host] = {}
        self._robots: dict[str, Robots] = {}

    def host(self, name: str) -> Host:
        """The turns of a host, which rests first: an attempt before may have asked it a moment ago."""
        if name not in self._hosts:
            row = self.db.execute("SELECT not_before, failures, closed FROM hosts WHERE host = ?", (name,)).fetchone()
            not_before, failures, closed = row or (0.0, 0, "")
            rest_s = max(self.delay_s, not_before - time.time())
            self._hosts[name] = Host(self.delay_s, rest_s, failures, closed)
        return self._hosts[name]

    def save(self, name: str, rest_s: float = 0.0) -> None:
        """Note a host's failures, and the rest that it was just given."""
        host = self._hosts[name]
        row = (name, time.time() + rest_s, host.failures, host.closed)
        with self.db:
            self.db.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?)", row)

    def robots(self, origin: str) -> Robots | None:
        """The rules of an origin, or None where its robots.txt was not asked for yet."""
        if origin not in self._robots:
            row = self.db.execute("SELECT status, body FROM robots WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                return None
            self._robots[origin] = read_robots(row[0], row[1], self.user_agent)
        return self._robots[origin]

    def note_robots(self, origin: str, status: int, body: bytes) -> Robots:
        self.db.execute("INSERT INTO robots VALUES (?, ?, ?)", (origin, status, body))
        self._robots[origin] = read_robots(status, body, self.user_agent)
        return self._robots[origin]

    def note_sitemaps(self, origin: str, urls: Sequence[str], most: int) -> None:
        """Add sitemaps of an origin to read, up to `most` of them in all."""
        (known,) = self.db.execute("SELECT count(*) FROM sitemaps WHERE origin = ?", (origin,)).fetchone()
        insert = "INSERT OR IGNORE INTO sitemaps (url, origin, is_done) VALUES (?, ?, 0)"
        self.db.executemany(insert, [(url, origin) for url in urls[: most - known]])

    def next_sitemap(self, origin: str) -> str | None:
        """The origin's first sitemap that was not asked for yet."""
        query = "SELECT url FROM sitemaps WHERE origin = ? AND NOT is_done ORDER BY number LIMIT 1"
        return next((str(url) for (url,) in self.db.execute(query, (origin,))), None)

    def finish_sitemap(self, url: str) -> None:
        self.db.execute("UPDATE sitemaps SET is_done = 1 WHERE url = ?", (url,))


def retry_after_s(value: str, now: float) -> float:
    """Seconds that a Retry-After header asks for: a number, or an HTTP date (RFC 9110, 10.2.3); 0 where unreadable."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
