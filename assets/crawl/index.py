"""The index of a finished crawl: captures, drops and links in shards, its counts, and its digest."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.captures import CAPTURE_SCHEMA
from assets.crawl.earlier import LINKS_SCHEMA
from assets.crawl.ledger import COLUMNS, Ledger
from assets.crawl.urls import host_of
from assets.documents import DROPPED_SCHEMA, Funnel, document_id
from resources.artifact import content_digest
from resources.build import Build, Outcome

CAPTURED = f"SELECT {COLUMNS} FROM kept JOIN (SELECT url, shard FROM pages) USING (url) WHERE shard = ? ORDER BY url"
DROPPED = "SELECT url, reason FROM pages WHERE state = 3 AND shard = ? ORDER BY url"
LINKED = "SELECT url, targets FROM pages JOIN links USING (url) WHERE shard = ? ORDER BY url"


def write_index(build: Build, ledger: Ledger, stats: Mapping[str, int] | None = None) -> Outcome:
    """Write `captures/`, `dropped/` and `links/` from a ledger with no page left, and say what the crawl holds.

    `links/` has the pages that each kept page links to, and for a redirect its target. The digest
    is over (URL, status, kind and payload) of the kept and (URL, reason) of the dropped, so that
    two crawls of one web have one digest whatever the order and the time they ran at.
    """
    name_redirect_loops(ledger)
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


def name_redirect_loops(ledger: Ledger) -> None:
    """Give redirects that lead back to themselves, or into such a loop, the reason "redirect_loop"."""
    query = "SELECT url, targets FROM pages JOIN links USING (url) WHERE state = 3 AND reason = 'redirect'"
    targets: dict[str, str] = dict(ledger.db.execute(query))
    ends = {url for url in targets if _is_endless(url, targets)}
    with ledger.transaction():
        for url in ends:
            ledger.drop(url, "redirect_loop")


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
