"""Hosts, as the ledger keeps them over a kill: when each may be asked again, its rules, and its sitemaps."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime

from assets.crawl.config import CrawlConfig
from assets.crawl.ledger import Ledger
from assets.crawl.robots import Robots, read_robots
from assets.crawl.urls import canonical_url, host_of, origin_of

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

    def __init__(self, ledger: Ledger, config: CrawlConfig):
        self.db, self.config = ledger.db, config
        self.db.executescript(SCHEMA)
        self._hosts: dict[str, Host] = {}
        self._robots: dict[str, Robots] = {}

    def host(self, name: str) -> Host:
        """The turns of a host, which rests first: an attempt before may have asked it a moment ago."""
        if name not in self._hosts:
            row = self.db.execute("SELECT not_before, failures, closed FROM hosts WHERE host = ?", (name,)).fetchone()
            not_before, failures, closed = row or (0.0, 0, "")
            rest_s = max(self.config.delay_s, not_before - time.time())
            self._hosts[name] = Host(self.config.delay_s, rest_s, failures, closed)
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
            return row and self._obey(origin, *row)
        return self._robots[origin]

    def note_robots(self, origin: str, status: int, body: bytes) -> Robots:
        self.db.execute("INSERT INTO robots VALUES (?, ?, ?)", (origin, status, body))
        return self._obey(origin, status, body)

    def _obey(self, origin: str, status: int, body: bytes) -> Robots:
        robots = self._robots[origin] = read_robots(status, body, self.config.user_agent)
        if robots.delay_s <= self.config.limits.crawl_delay_s:
            self.host(host_of(f"{origin}/")).slow_down(robots.delay_s)
        return robots

    def note_sitemaps(self, origin: str, urls: Iterable[str]) -> None:
        """Add sitemaps to read; only the origin's own, so that a host cannot send the crawler to another."""
        robots = self._robots[origin]
        if robots.delay_s > self.config.limits.crawl_delay_s:
            return  # a host that asks for more patience than there is is not asked for its sitemaps either
        canonical = (canonical_url(url, base=f"{origin}/") for url in urls)
        own = [url for url in canonical if url is not None and origin_of(url) == origin and robots.allows(url)]
        (known,) = self.db.execute("SELECT count(*) FROM sitemaps WHERE origin = ?", (origin,)).fetchone()
        insert = "INSERT OR IGNORE INTO sitemaps (url, origin, is_done) VALUES (?, ?, 0)"
        self.db.executemany(insert, [(url, origin) for url in own[: self.config.limits.sitemaps_per_host - known]])

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
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
