"""One snapshot of the source: a web that is fetched, or files that are read, as WARC records and an index over them."""

import multiprocessing
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from assets.crawl.addresses import AddressPolicy
from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.imports import import_records
from assets.crawl.index import EarlierSnapshot, write_index
from assets.crawl.ledger import LEDGER, Ledger
from assets.crawl.sources import LoopbackSource, SiteSource
from assets.crawl.urls import Scope
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError, SpecError, TidemillError
from resources.lifeline import exit_with_pool

LOOPBACK = "127.0.0.0/8"
TELL_S = 0.5


def crawl(build: Build, config: CrawlConfig, previous: Path | None = None) -> Outcome:
    """Fill a build with the source's pages as of `build.partition`; a killed crawl goes on where it stopped.

    Writes `warc/NNNNN.warc.gz`, and per shard `captures/` (what was kept), `dropped/` (every other URL that was
    considered, with the reason) and `links/`. `previous` is the folder of the snapshot before: pages that are as it
    saw them become revisits. Raises SpecError if the loopback web has no edition for the snapshot, InputError if the
    files hold nothing that can be used, BuildError if the crawling process dies or keeps no page.
    """
    source = config.source
    if isinstance(source, SiteSource):
        return _crawl_site(build, config, previous)
    if not isinstance(source, LoopbackSource):
        return import_records(build, config, source)

    from assets.crawl.web.server import serve_web

    edition = source.editions.get(f"{build.partition}")
    if edition is None:
        raise SpecError(
            f"crawl.source.editions names no edition for the snapshot {build.partition}; "
            f"add it, e.g. `{build.partition}: {len(source.editions) + 1}`"
        )
    with serve_web(source.web, edition, workers=build.workers) as web:
        reachable = {
            "source": SiteSource(seeds=tuple(f"http://{host}/" for host in web.hosts)),
            "allow_addresses": (*config.allow_addresses, LOOPBACK),
            "connect_to": {f"{host}:80": f"{web.address}:{web.port}" for host in web.hosts},
        }
        return _crawl_site(build, config.model_copy(update=reachable), previous)


def _crawl_site(build: Build, config: CrawlConfig, previous: Path | None) -> Outcome:
    ledger = Ledger(build.scratch / LEDGER, config.shards)
    try:
        _crawl_in_child(build, config, previous, ledger)
        if reasons := ledger.discard_empty():  # no snapshot: it would be what was seen for ever
            raise BuildError(f"the crawl kept no page ({reasons}); see that the source can be reached, then run again")
        return write_index(build, config.limits, ledger)
    finally:
        ledger.close()


def _crawl_in_child(build: Build, config: CrawlConfig, previous: Path | None, ledger: Ledger) -> None:
    """Crawl until no page is left, in a process of its own: Twisted's reactor starts once in a process's life."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_crawl, args=(theirs, build, config, previous), name="tidemill-crawl", daemon=True)
    child.start()
    theirs.close()
    try:
        while not ours.poll(TELL_S):
            build.report(Progress("crawl", *ledger.counts(), "pages"))
        if (error := ours.recv()) is not None:
            raise error
    except EOFError:
        child.join()
        raise BuildError(
            f"the crawling process ended with code {child.exitcode} (-9: killed, or out of memory); "
            "run again, it goes on where it stopped"
        ) from None
    finally:
        child.kill()
        child.join()
        ours.close()


def _crawl(pipe: Connection, build: Build, config: CrawlConfig, previous: Path | None) -> None:
    """The child: sends None when it is done, or the error that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    exit_with_pool()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each host keeps a connection
    from assets.crawl.rounds import Rounds
    from assets.crawl.transport import Transport, run_scrapy
    from assets.crawl.visits import Visits

    assert isinstance(config.source, SiteSource)
    seeds, scope = config.source.seeds, Scope(config.source.scope())
    ledger = Ledger(build.scratch / LEDGER, config.shards)

    async def fetch_all(transport: Transport) -> None:
        visits = Visits(config, scope, ledger, archive, EarlierSnapshot(ledger, previous))
        await Rounds(scope, visits, transport).run(seeds)

    try:
        archive = Archive(build, config, ledger)
        run_scrapy(config, AddressPolicy(config.allow_addresses), fetch_all)
        archive.close()
        ledger.close()
    except TidemillError as error:
        pipe.send(error)
    else:
        pipe.send(None)
