"""The index of a crawl: captures, drops and links in shards, written when it ends, and looked up by the next one."""

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from warcio.archiveiterator import ArchiveIterator

from assets.captures import CAPTURE_SCHEMA, Capture, capture_shards, read_captures
from assets.crawl.ledger import COLUMNS, Ledger
from assets.crawl.urls import host_of
from assets.documents import DROPPED_SCHEMA, Funnel, document_id
from resources.artifact import content_digest
from resources.build import Build, Outcome
from resources.errors import InputError

LINKS_SCHEMA = pa.schema([("url", pa.string()), ("targets", pa.list_(pa.string()))])
CAPTURED = f"SELECT {COLUMNS} FROM kept JOIN (SELECT url, shard FROM pages) USING (url) WHERE shard = ? ORDER BY url"
DROPPED = "SELECT url, reason FROM pages WHERE state = 3 AND shard = ? ORDER BY url"
LINKED = "SELECT url, targets FROM pages WHERE targets IS NOT NULL AND shard = ? ORDER BY url"


def write_index(build: Build, ledger: Ledger, stats: Mapping[str, int] | None = None) -> Outcome:
    """Write `captures/`, `dropped/` and `links/` from a ledger with no page left, and say what the crawl holds.

    `links/` has the pages that each kept page links to, and for a redirect its target. The digest
    is over (URL, status, kind and payload) of the kept and (URL, reason) of the dropped, so that
    two crawls of one web have one digest whatever the order and the time they ran at.
    """
    _name_redirect_loops(ledger)
    snapshot = f"{build.partition}"
    for shard in range(ledger.shards):
        if build.has(f"captures/{shard:05}.parquet"):
            continue
        dropped = (
            {"id": document_id(url, snapshot), "url": url, "reason": reason, "score": None}
            for url, reason in ledger.db.execute(DROPPED, (shard,))
        )
        linked = ({"url": url, "targets": targets.split("\n")} for url, targets in ledger.db.execute(LINKED, (shard,)))
        captures = (dict(zip(CAPTURE_SCHEMA.names, row, strict=True)) for row in ledger.db.execute(CAPTURED, (shard,)))
        _write(build, f"dropped/{shard:05}.parquet", dropped, DROPPED_SCHEMA)
        _write(build, f"links/{shard:05}.parquet", linked, LINKS_SCHEMA)
        _write(build, f"captures/{shard:05}.parquet", captures, CAPTURE_SCHEMA)
    return Outcome({**_counts(ledger), **(stats or {})}, digest=_digest(ledger))


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


def _write(build: Build, name: str, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> None:
    with build.file(name) as path:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


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
    kept = "SELECT url, status || ' ' || kind || ' ' || payload_sha256 FROM kept"
    dropped = "SELECT url, reason FROM pages WHERE state = 3"
    return content_digest([*ledger.db.execute(kept), *ledger.db.execute(dropped)])


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
                    table = pq.read_table(folder / "links" / f"{shard:05}.parquet", schema=LINKS_SCHEMA)
                    links = dict(zip(*table.to_pydict().values(), strict=True))
                    for capture in read_captures(folder, shard):
                        row = (*astuple(capture), "\n".join(links.get(capture.url, ())))
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
