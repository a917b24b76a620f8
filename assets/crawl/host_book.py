"""What the ledger knows of hosts: their rules, their sitemaps, and whether they asked for rest."""

import time
from collections.abc import Iterable

from assets.crawl.ledger import Ledger, Round
from assets.crawl.politeness import Host
from assets.crawl.robots import Robots, read_robots

SCHEMA = """
CREATE TABLE IF NOT EXISTS robots (origin TEXT PRIMARY KEY, status INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS sitemaps (
    number INTEGER PRIMARY KEY, url TEXT UNIQUE, origin TEXT, depth INTEGER, step INTEGER, is_read INTEGER
);
CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, not_before REAL, failures INTEGER, closed TEXT);
"""


class HostBook:
    """Hosts of one crawl, as the ledger keeps them over a kill."""

    def __init__(self, ledger: Ledger, user_agent: str, delay_s: float):
        self.db, self.user_agent, self.delay_s = ledger.db, user_agent, delay_s
        self.db.executescript(SCHEMA)
        self.is_resumed = ledger.next_round() is not None
        self._hosts: dict[str, Host] = {}
        self._robots: dict[str, Robots] = {}

    def host(self, name: str) -> Host:
        """The turns of a host; one that an attempt before may have asked a moment ago rests first."""
        if name not in self._hosts:
            row = self.db.execute("SELECT not_before, failures, closed FROM hosts WHERE host = ?", (name,)).fetchone()
            not_before, failures, closed = row or (0.0, 0, "")
            rest_s = max(not_before - time.time(), self.delay_s if self.is_resumed else 0.0)
            host = self._hosts[name] = Host(self.delay_s, rest_s)
            host.failures, host.closed = failures, closed
        return self._hosts[name]

    def save(self, name: str, rest_s: float = 0.0) -> None:
        """Note a host's failures, and the rest that it was just given."""
        host = self._hosts[name]
        row = (name, time.time() + rest_s, host.failures, host.closed)
        self.db.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?)", row)

    def robots(self, origin: str) -> Robots | None:
        """The rules of an origin, or None where its robots.txt was not asked for yet."""
        if origin not in self._robots:
            row = self.db.execute("SELECT status, body FROM robots WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                return None
            self._robots[origin] = read_robots(row[0], row[1], self.user_agent)
        return self._robots[origin]

    def note_robots(self, origin: str, status: int, body: bytes) -> None:
        self.db.execute("INSERT OR REPLACE INTO robots VALUES (?, ?, ?)", (origin, status, body))

    def note_sitemaps(self, origin: str, urls: Iterable[str], due: Round, most: int) -> None:
        """Add sitemaps of an origin to read, up to `most` of them in all."""
        (known,) = self.db.execute("SELECT count(*) FROM sitemaps WHERE origin = ?", (origin,)).fetchone()
        for url in urls:
            if known >= most:
                return
            row = (url, origin, *due)
            insert = "INSERT OR IGNORE INTO sitemaps (url, origin, depth, step, is_read) VALUES (?, ?, ?, ?, NULL)"
            known += self.db.execute(insert, row).rowcount

    def next_sitemap(self, origin: str) -> tuple[str, Round] | None:
        """The origin's first sitemap that was not asked for yet, and the round that its entries are due in."""
        query = "SELECT url, depth, step FROM sitemaps WHERE origin = ? AND is_read IS NULL ORDER BY number LIMIT 1"
        row = self.db.execute(query, (origin,)).fetchone()
        return row and (row[0], Round(*row[1:]))

    def finish_sitemap(self, url: str, is_read: bool) -> None:
        self.db.execute("UPDATE sitemaps SET is_read = ? WHERE url = ?", (is_read, url))
