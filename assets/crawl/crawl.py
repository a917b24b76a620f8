"""One snapshot of the source: a web that is fetched, or files that are read, as WARC records and an index over them."""

from pathlib import Path

from assets.crawl.config import CrawlConfig
from assets.crawl.imports import import_records
from assets.crawl.index import write_index
from assets.crawl.ledger import LEDGER, Ledger
from assets.crawl.sources import LoopbackSource, SiteSource
from assets.crawl.web_crawl import crawl_web
from resources.build import Build, Outcome
from resources.errors import BuildError, SpecError

LOOPBACK = "127.0.0.0/8"


def crawl(build: Build, config: CrawlConfig, previous: Path | None = None) -> Outcome:
    """Fill a build with the source's pages as of `build.partition`; a killed crawl goes on where it stopped.

    Writes `warc/NNNNN.warc.gz` (WARC 1.1), and per shard `captures/` (what was kept), `dropped/` (every other URL
    that was considered, with the reason) and `links/`. `previous` is the folder of the snapshot before: pages that
    are as it saw them become revisits. Raises SpecError if the loopback web has no edition for the snapshot,
    InputError if the source's files hold nothing that can be used, BuildError if the crawling process dies, or not
    one page can be kept.
    """
    source = config.source
    if isinstance(source, LoopbackSource):
        _crawl_loopback(build, config, source, previous)
    elif isinstance(source, SiteSource):
        crawl_web(build, config, source.seeds, source.scope(), previous)
    else:
        return import_records(build, config, source)
    ledger = Ledger(build.scratch / LEDGER, config.shards)
    try:
        if ledger.last_record() is None:  # no snapshot: it would be what was seen for ever
            reasons = ledger.db.execute("SELECT reason, count(*) FROM pages GROUP BY reason ORDER BY reason")
            named = ", ".join(f"{reason} {count}" for reason, count in reasons) or "no URL"
            ledger.path.unlink()
            raise BuildError(f"the crawl kept no page ({named}); see that the source can be reached, then run again")
        return write_index(build, ledger)
    finally:
        ledger.close()


def _crawl_loopback(build: Build, config: CrawlConfig, source: LoopbackSource, previous: Path | None) -> None:
    from assets.crawl.web.server import serve_web

    edition = source.editions.get(f"{build.partition}")
    if edition is None:
        raise SpecError(
            f"crawl.source.editions names no edition for the snapshot {build.partition}; "
            f"add it, e.g. `{build.partition}: {len(source.editions) + 1}`"
        )
    with serve_web(source.web, edition, workers=build.workers) as web:
        reachable = config.model_copy(
            update={
                "allow_addresses": (*config.allow_addresses, LOOPBACK),
                "connect_to": {f"{host}:80": f"{web.address}:{web.port}" for host in web.hosts},
            }
        )
        crawl_web(build, reachable, [f"http://{host}/" for host in web.hosts], web.hosts, previous)
