"""A crawl over HTTP, in a process of its own: Twisted's reactor starts once in a process's life and stays in it."""

import multiprocessing
import resource
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from assets.crawl.addresses import AddressPolicy
from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.earlier import EarlierSnapshot
from assets.crawl.ledger import LEDGER, Ledger
from assets.crawl.urls import Scope
from resources.build import Build, Progress
from resources.errors import BuildError, TidemillError
from resources.lifeline import exit_with_pool

TELL_S = 0.2


def crawl_web(
    build: Build, config: CrawlConfig, seeds: Sequence[str], domains: Sequence[str], previous: Path | None
) -> None:
    """Crawl in a child process until no page is left; the ledger in scratch and the WARC files say what was found.

    Raises BuildError if the child dies, or the TidemillError that ended it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, build, config, seeds, domains, previous)
    child = context.Process(target=_crawl, args=arguments, name="tidemill-crawl", daemon=True)
    child.start()
    theirs.close()
    try:
        while (message := ours.recv()) is not None:
            if isinstance(message, TidemillError):
                raise message
            finished, known = message
            build.report(Progress("crawl", finished, known, "pages"))
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


def _crawl(
    pipe: Connection,
    build: Build,
    config: CrawlConfig,
    seeds: Sequence[str],
    domains: Sequence[str],
    previous: Path | None,
) -> None:
    """The child: sends (finished, known) now and then, and at last None or the error that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    exit_with_pool()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each host keeps a connection
    from assets.crawl.rounds import Rounds
    from assets.crawl.transport import Transport, run_scrapy
    from assets.crawl.visits import Visits

    ledger = Ledger(build.scratch / LEDGER, config.shards)
    about = {
        "software": config.user_agent,
        "format": "WARC File Format 1.1",
        "http-header-user-agent": config.user_agent_header,
        "robots": "obeyed (RFC 9309)",
    }
    told = 0.0

    def report() -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            pipe.send(ledger.counts())

    async def fetch_all(transport: Transport) -> None:
        visits = Visits(config, scope, ledger, archive, EarlierSnapshot(ledger, previous))
        await Rounds(scope, visits, transport, report).run(seeds)

    try:
        archive, scope = Archive(build, config.warc_bytes, about, ledger.last_record()), Scope(domains)
        run_scrapy(config, AddressPolicy(config.allow_addresses), fetch_all)
        archive.close()
        ledger.close()
    except TidemillError as error:
        pipe.send(error)
    else:
        pipe.send(None)
