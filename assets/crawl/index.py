"""The index of a crawl: captures, drops and links in shards, written when it ends, and looked up by the next one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pyarrow as pa

from assets.captures import Capture, capture_shards, open_record, read_captures
from assets.crawl.config import Limits
from assets.crawl.ledger import COLUMNS, Ledger
from assets.crawl.urls import host_of
from assets.documents import Dropped, Funnel, document_id, read_rows, rows_file
from resources.artifact import FINGERPRINT_BYTES
from resources.build import Build, Outcome

CAPTURED = f"SELECT {COLUMNS} FROM kept JOIN (SELECT url, shard FROM pages) USING (url) WHERE shard = ? ORDER BY url"
DROPPED = "SELECT url, reason, depth, hops FROM pages WHERE state = 3 AND shard = ? ORDER BY url"
LINKED = "SELECT url, targets FROM pages WHERE targets IS NOT NULL AND shard = ? ORDER BY url"


@dataclass(frozen=True)
class Links:
    """The pages that a kept page links to, or that a redirect leads to."""

    url: str
    targets: Annotated[list[str], pa.list_(pa.string())]


def write_index(build: Build, limits: Limits, ledger: Ledger, stats: Mapping[str, int] | None = None) -> Outcome:
    """Write `captures/`, `dropped/` and `links/` from a ledger with no page left, and say what the crawl holds.

    The digest is over (URL, status, kind and payload) of the kept and (URL, reason) of the dropped,
    so that two crawls of one web have one digest whatever the order and the time they ran at.
    """
    _name_redirect_loops(ledger)
    snapshot, execute = f"{build.partition}", ledger.db.execute
    for shard in range(ledger.shards):
        if build.has(f"captures/{shard:05}.parquet"):
            continue
        with rows_file(build, "dropped", shard, Dropped) as drop:
            for url, reason, depth, hops in execute(DROPPED, (shard,)):
                drop(Dropped(document_id(url, snapshot), url, reason, _figure(reason, url, depth, hops, limits)))
        with rows_file(build, "links", shard, Links) as link:
            for url, targets in execute(LINKED, (shard,)):
                link(Links(url, targets.split("\n")))
        with rows_file(build, "captures", shard, Capture) as keep:  # last: it says that the shard is finished
            for row in execute(CAPTURED, (shard,)):
                keep(Capture(*row))
    return Outcome({**_counts(ledger), **(stats or {})}, digest=_digest(ledger))


def _figure(reason: str, url: str, depth: int, hops: int, limits: Limits) -> float | None:
    """The status, depth, length or limit that decided a drop; None where a rule, an opt-out or a defect did."""
    if reason.startswith("http_"):
        return float(reason.removeprefix("http_"))
    figures = {
        "depth": depth,
        "too_many_redirects": hops,
        "url_length": len(url),
        "too_large": limits.size_bytes,
        "timeout": limits.timeout_s,
        "crawl_delay": limits.crawl_delay_s,
        "retry_after": limits.patience_s,
        "host_unavailable": limits.failures_per_host,
    }
    return figures.get(reason)


def _name_redirect_loops(ledger: Ledger) -> None:
    """Give redirects that lead back to themselves, or into such a loop, the reason "redirect_loop"."""
    query = "SELECT url, targets FROM pages WHERE reason IN ('redirect', 'redirect_loop')"
    targets: dict[str, str] = dict(ledger.db.execute(query))
    endless = [(url,) for url in targets if _is_endless(url, targets)]
    with ledger.db:
        ledger.db.executemany("UPDATE pages SET reason = 'redirect_loop' WHERE url = ?", endless)


def _is_endless(url: str, targets: Mapping[str, str]) -> bool:
    seen = set()
    while url in targets and url not in seen:
        seen.add(url)
        url = targets[url]
    return url in seen


def _counts(ledger: Ledger) -> dict[str, Any]:
    execute = ledger.db.execute
    reasons = execute("SELECT reason, count(*) FROM pages WHERE state = 3 GROUP BY reason ORDER BY reason")
    origins = execute("SELECT DISTINCT origin FROM pages WHERE state = 2 AND origin != ''")
    whole, unchanged, identical, size_bytes = execute(
        "SELECT coalesce(sum(kind != 'revisit'), 0), coalesce(sum(kind = 'revisit' AND status = 304), 0), "
        "coalesce(sum(kind = 'revisit' AND status != 304), 0), coalesce(sum(size_bytes), 0) FROM kept"
    ).fetchone()
    (entered,) = execute("SELECT count(*) FROM pages").fetchone()
    return {
        **Funnel(entered, whole + unchanged + identical, dict(reasons)).stats(),
        "fetched_whole": whole,
        "not_modified": unchanged,
        "identical": identical,
        "bytes": size_bytes,
        "hosts": len({host_of(f"{origin}/") for (origin,) in origins}),
    }


def _digest(ledger: Ledger) -> str:
    """The `content_digest` of all that the ledger ends with, without holding it."""
    leaves = ledger.db.execute(
        "SELECT url, status || ' ' || kind || ' ' || payload_sha256 FROM kept "
        "UNION ALL SELECT url, reason FROM pages WHERE state = 3 ORDER BY 1, 2"
    )
    hashed, before = hashlib.blake2b(digest_size=FINGERPRINT_BYTES), "["
    for leaf in leaves:
        hashed.update(f"{before}{json.dumps(leaf, separators=(',', ':'), ensure_ascii=False)}".encode())
        before = ","
    hashed.update(b"]")
    return hashed.hexdigest()


class Earlier(NamedTuple):
    """A page as the snapshot before kept it, and the URLs that it links to."""

    capture: Capture
    links: list[str]


class EarlierSnapshot:
    """The pages of the crawl in `folder`, looked up in the ledger's own file."""

    def __init__(self, ledger: Ledger, folder: Path | None):
        self.db, self.folder = ledger.db, folder
        self.db.execute(f"CREATE TABLE IF NOT EXISTS earlier ({COLUMNS}, links, PRIMARY KEY (url)) WITHOUT ROWID")
        if folder is not None and self.db.execute("SELECT 1 FROM earlier LIMIT 1").fetchone() is None:
            with ledger.db:
                for shard in range(capture_shards(folder)):
                    rows = read_rows(folder / "links" / f"{shard:05}.parquet", Links)
                    links = {row.url: "\n".join(row.targets) for row in rows}
                    for capture in read_captures(folder, shard):
                        row = (*astuple(capture), links.get(capture.url, ""))
                        self.db.execute(f"INSERT INTO earlier VALUES ({', '.join('?' * len(row))})", row)

    def page(self, url: str) -> Earlier | None:
        row = self.db.execute("SELECT * FROM earlier WHERE url = ?", (url,)).fetchone()
        return row and Earlier(Capture(*row[:-1]), row[-1].split("\n") if row[-1] else [])

    def conditions(self, url: str) -> dict[str, str]:
        """The headers that ask for a page only if it is not as it was (RFC 9110, section 13.1)."""
        page = self.page(url)
        given = {"If-None-Match": page.capture.etag, "If-Modified-Since": page.capture.last_modified} if page else {}
        return {name: value for name, value in given.items() if value}

    def date_of(self, capture: Capture) -> str:
        """The WARC-Date of the record that holds the payload."""
        assert self.folder is not None
        with open_record(self.folder, capture) as record:
            headers = record.rec_headers
            return str(headers.get_header("WARC-Refers-To-Date") or headers.get_header("WARC-Date"))
