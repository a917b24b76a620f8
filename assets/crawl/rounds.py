"""The crawl itself, in rounds: meet hosts, admit pages, fetch them; what is found is due in a later round.

A round holds the pages that are equally far from the seeds, as in Nutch's generate, fetch and
update. What is admitted is decided between rounds, over all of a round's pages in a fixed order,
so that the pages of a crawl follow from the web alone: not from which server answered first, how
many requests were under way, or where a killed attempt stopped. The price is that a round waits
for its slowest host. Within a round hosts go side by side, each with one request at a time.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from assets.crawl.admission import Admission
from assets.crawl.host_book import HostBook
from assets.crawl.ledger import Found, Round, State
from assets.crawl.pages import PayloadError, decode_payload
from assets.crawl.politeness import Host, retry_after_s
from assets.crawl.robots import MOST_REDIRECTS, ROBOTS_BYTES, SITEMAP_BYTES, Robots, read_sitemap
from assets.crawl.transport import Answer, Failure, Transport
from assets.crawl.urls import Scope, canonical_url, host_of, origin_of
from assets.crawl.visits import Visits

Act = Callable[[str, str, Round], Awaitable[None]]
BUSY = frozenset({429, 500, 502, 503, 504})


class Rounds:
    """One crawl over a ledger; `report` is called whenever it went on."""

    def __init__(self, scope: Scope, visits: Visits, transport: Transport, report: Callable[[], None]):
        self.config, self.ledger = config, ledger = visits.config, visits.ledger
        self.scope, self.visits, self.transport, self.report = scope, visits, transport, report
        self.book = HostBook(ledger, config.user_agent, config.delay_s)
        self.slots = asyncio.Semaphore(config.concurrency)
        self.decide = Admission(config, scope, self.book, ledger.admitted_urls())

    async def run(self, seeds: Iterable[str]) -> None:
        """Crawl from the seeds until no admitted page is left."""
        with self.ledger.transaction():
            urls = (canonical_url(seed, self.config.session_parameters) for seed in seeds)
            self.ledger.add(Found(url, Round(0, 0)) for url in urls if url is not None)
        while (due := self.ledger.next_round()) is not None:
            origins = [o for o in self.ledger.origins(due, State.WAITING) if self.scope.covers(host_of(f"{o}/"))]
            if due.depth <= self.config.limits.depth:
                await self._each_host(origins, self._meet, due)
            with self.ledger.transaction():
                self.ledger.admit([(url, self.decide(url, hops, due)) for url, hops in self.ledger.waiting(due)])
            await self._each_host(self.ledger.origins(due, State.ADMITTED), self._fetch, due)

    async def _each_host(self, origins: Iterable[str], act: Act, due: Round) -> None:
        by_host = defaultdict(list)
        for origin in origins:
            by_host[host_of(f"{origin}/")].append(origin)

        async def in_turn(host: str, own: Iterable[str]) -> None:
            for origin in own:
                await act(host, origin, due)

        try:
            async with asyncio.TaskGroup() as group:
                for host, own in by_host.items():
                    group.create_task(in_turn(host, own))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        self.report()

    # hosts

    async def _meet(self, host: str, origin: str, due: Round) -> None:
        """Learn an origin's rules, and what its sitemaps list."""
        robots = self.book.robots(origin)
        if robots is None:
            status, body = await self._ask_robots(origin)
            with self.ledger.transaction():
                self.book.note_robots(origin, status, body)
                robots = self.book.robots(origin)
                assert robots is not None
                self._note_sitemaps(origin, robots, robots.sitemaps, due)
        self._slow_down(self.book.host(host), robots)
        while (sitemap := self.book.next_sitemap(origin)) is not None:
            await self._read_sitemap(origin, robots, *sitemap)

    async def _ask_robots(self, origin: str) -> tuple[int, bytes]:
        url = f"{origin}/robots.txt"
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._ask(url, ROBOTS_BYTES, {"Accept-Encoding": "identity"}, cut=True)
            if isinstance(answer, Failure):
                return 0, answer.reason.encode()
            if not answer.is_redirect:
                return _decoded(answer)
            target = canonical_url(answer.header("Location"), base=url)
            if target is None:
                return 404, b""
            url = target
        return 404, b""  # RFC 9309, section 2.3.1.2: more than five redirects may count as none there

    def _note_sitemaps(self, origin: str, robots: Robots, urls: Iterable[str], due: Round) -> None:
        """Only sitemaps of the origin itself count, so that a host cannot send the crawler to another."""
        canonical = (canonical_url(url, base=f"{origin}/") for url in urls)
        own = [url for url in canonical if url is not None and origin_of(url) == origin and robots.allows(url)]
        self.book.note_sitemaps(origin, own, due, self.config.limits.sitemaps_per_host)

    async def _read_sitemap(self, origin: str, robots: Robots, url: str, due: Round) -> None:
        answer = await self._ask(url, SITEMAP_BYTES)
        listing = None
        if isinstance(answer, Answer) and answer.status == 200:
            listing = read_sitemap(answer.body, answer.coding)
        with self.ledger.transaction():
            self.book.finish_sitemap(url, listing is not None)
            if listing is not None:
                self._note_sitemaps(origin, robots, listing.sitemaps, due)
                self.ledger.add(self.visits.found(listing.pages, origin + "/", Round(due.depth, due.step + 1)))

    def _slow_down(self, host: Host, robots: Robots) -> None:
        """Keep the delay that the rules ask for; after a kill, from now on, since the last request may be recent."""
        if host.delay_s < robots.delay_s <= self.config.limits.crawl_delay_s:
            host.delay_s = robots.delay_s
            host.rest(robots.delay_s if self.book.is_resumed else 0.0)

    # pages

    async def _fetch(self, name: str, origin: str, due: Round) -> None:
        host = self.book.host(name)
        robots = self.book.robots(origin)
        if robots is not None:
            self._slow_down(host, robots)
        for url, hops in self.ledger.admitted(due, origin):
            answer: Answer | Failure = Failure(host.closed)
            if not host.closed:
                conditions, types = self.visits.conditions(url), self.config.content_types
                answer = await self._ask(url, self.config.limits.size_bytes, conditions, types)
            self.visits.enter(url, answer, due, hops)
            self.report()

    async def _ask(
        self,
        url: str,
        size_bytes: int,
        headers: Mapping[str, str] | None = None,
        accept: Collection[str] = (),
        cut: bool = False,
    ) -> Answer | Failure:
        """Ask for a URL in its host's turn, again after a failure that may pass; nothing within a Retry-After."""
        name = host_of(url)
        host = self.book.host(name)
        for attempt in range(self.config.retries + 1):
            async with host.turn(self.slots):
                answer = await self.transport.fetch(url, size_bytes, headers or {}, accept, cut)
                rest_s = self._rest_s(answer, attempt) if _may_pass(answer) else 0.0
                host.rest(rest_s)
            if not _may_pass(answer):
                if host.failures:
                    host.failures = 0
                    self.book.save(name)
                return answer
            host.failures += attempt == self.config.retries
            if rest_s > self.config.limits.patience_s:
                host.closed = "retry_after"
            elif host.failures >= self.config.limits.failures_per_host:
                host.closed = "host_unavailable"
            self.book.save(name, rest_s)
            if host.closed:
                break
        return answer

    def _rest_s(self, answer: Answer | Failure, attempt: int) -> float:
        asked_s = retry_after_s(answer.header("Retry-After"), time.time()) if isinstance(answer, Answer) else 0.0
        return max(asked_s, self.config.back_off_s * 2.0**attempt)


def _decoded(answer: Answer) -> tuple[int, bytes]:
    """Status and body of a robots.txt, which some servers pack though nobody asked; status 0 where it is broken."""
    try:
        return answer.status, decode_payload(answer.body, answer.coding, ROBOTS_BYTES)
    except PayloadError as error:
        return 0, error.reason.encode()


def _may_pass(answer: Answer | Failure) -> bool:
    return answer.is_transient if isinstance(answer, Failure) else answer.status in BUSY
