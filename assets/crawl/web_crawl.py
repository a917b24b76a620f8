"""A crawl over HTTP, in a process of its own: Twisted's reactor starts once in a process's life and stays in it."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
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

TELL_S = 0.2


@dataclass(frozen=True)
class WebCrawl:
    """What the crawling process is given: where to start, which domains to stay in, what the snapshot before was."""

    build: Build
    config: CrawlConfig
    seeds: Sequence[str]
    domains: Sequence[str]
    previous: Path | None

    def run(self) -> None:
        """Crawl in a child process until no page is left; the ledger in scratch and the WARC files say what was found.

        Raises:
            BuildError: if the child dies.
            TidemillError: what the child raised.
        """
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_crawl, args=(self, theirs), name="tidemill-crawl", daemon=True)
        child.start()
        theirs.close()
        try:
            self._follow(ours)
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

    def _follow(self, pipe: Connection) -> None:
        """Pass on the child's progress until its last message, None or the error that ended it."""
        while (message := pipe.recv()) is not None:
            if isinstance(message, TidemillError):
                raise message
            done, known = message
            self.build.report(Progress("crawl", done, known, "pages"))


def _crawl(crawl: WebCrawl, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each host keeps a connection
    from assets.crawl.rounds import Rounds
    from assets.crawl.transport import Transport, run_scrapy
    from assets.crawl.visits import Visits

    build, config = crawl.build, crawl.config
    ledger = Ledger(build.scratch / LEDGER, config.shards)
    software = {
        "software": config.user_agent,
        "format": "WARC File Format 1.1",
        "http-header-user-agent": config.user_agent_header,
        "robots": "obeyed (RFC 9309)",
    }
    archive = Archive(build, config.warc_bytes, software)
    archive.resume(ledger.last_record())
    scope = Scope(crawl.domains)

    async def fetch_all(transport: Transport) -> None:
        visits = Visits(config, scope, f"{build.partition}", ledger, archive, EarlierSnapshot(ledger, crawl.previous))
        await Rounds(config, scope, ledger, visits, transport, _Teller(pipe)).run(crawl.seeds)

    try:
        run_scrapy(config, AddressPolicy(config.allow_addresses), fetch_all)
        archive.close()
        ledger.close()
    except TidemillError as error:
        pipe.send(error)
    else:
        pipe.send(None)


class _Teller:
    """Sends counts through the pipe, not oftener than anybody can read."""

    def __init__(self, pipe: Connection):
        self.pipe, self.told = pipe, 0.0

    def __call__(self, finished: int, known: int) -> None:
        if time.monotonic() - self.told >= TELL_S:
            self.told = time.monotonic()
            self.pipe.send((finished, known))


def _die_with_parent() -> None:
    """End this process as soon as the one that started it is gone, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
