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
from assets.crawl.hosts import Hosts, retry_after_s
from assets.crawl.ledger import State
from assets.crawl.pages import PayloadError, decode_payload
from assets.crawl.robots import MOST_REDIRECTS, ROBOTS_BYTES, SITEMAP_BYTES, read_sitemap
from assets.crawl.transport import Answer, Transport
from assets.crawl.urls import Scope, canonical_url, host_of
from assets.crawl.visits import Visits


class Rounds:
    """One crawl over a ledger."""

    def __init__(self, scope: Scope, visits: Visits, transport: Transport):
        self.config, self.ledger = config, ledger = visits.config, visits.ledger
        self.scope, self.visits, self.transport = scope, visits, transport
        self.hosts = Hosts(ledger, config)
        self.slots = asyncio.Semaphore(config.concurrency)
        self.decide = Admission(config, scope, self.hosts, ledger.admitted_urls())

    async def run(self, seeds: Iterable[str]) -> None:
        """Crawl from the seeds until no admitted page is left."""
        with self.ledger.db:
            urls = (canonical_url(seed, self.config.session_parameters) for seed in seeds)
            self.ledger.add((url for url in urls if url is not None), depth=0)
        while (depth := self.ledger.depth()) is not None:
            # What an attempt before has left of its round comes first; redirects from it are the next round.
            if not self.ledger.origins(depth, State.ADMITTED):
                await self._admit(depth)
            await self._each_host(self.ledger.origins(depth, State.ADMITTED), self._fetch, depth)

    async def _admit(self, depth: int) -> None:
        """Decide which waiting pages are asked for, once the rules of all of them are known."""
        while depth <= self.config.limits.depth and (origins := self._not_met(depth)):
            await self._each_host(origins, self._meet, depth)
        with self.ledger.db:
            self.ledger.admit([(url, self.decide(url, depth, hops)) for url, hops in self.ledger.waiting(depth)])

    def _not_met(self, depth: int) -> list[str]:
        covered = (o for o in self.ledger.origins(depth, State.WAITING) if self.scope.covers(host_of(f"{o}/")))
        return [o for o in covered if self.hosts.robots(o) is None or self.hosts.next_sitemap(o) is not None]

    async def _each_host(self, origins: Iterable[str], act: Callable[[str, int], Awaitable[None]], depth: int) -> None:
        by_host = defaultdict(list)
        for origin in origins:
            by_host[host_of(f"{origin}/")].append(origin)

        async def in_turn(own: Iterable[str]) -> None:
            for origin in own:
                await act(origin, depth)

        try:
            async with asyncio.TaskGroup() as group:
                for own in by_host.values():
                    group.create_task(in_turn(own))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    # hosts

    async def _meet(self, origin: str, depth: int) -> None:
        """Learn an origin's rules, and what its sitemaps list."""
        if self.hosts.robots(origin) is None:
            status, body = await self._ask_robots(origin)
            with self.ledger.db:
                robots = self.hosts.note_robots(origin, status, body)
                self.hosts.note_sitemaps(origin, robots.sitemaps)
        while (sitemap := self.hosts.next_sitemap(origin)) is not None:
            answer = await self._ask(sitemap, SITEMAP_BYTES)
            pages, sitemaps = read_sitemap(answer.body, answer.coding) if answer.status == 200 else ((), ())
            with self.ledger.db:
                self.hosts.finish_sitemap(sitemap)
                self.hosts.note_sitemaps(origin, sitemaps)
                self.ledger.add(self.visits.in_scope(pages, f"{origin}/"), depth)

    async def _ask_robots(self, origin: str) -> tuple[int, bytes]:
        """Status and body of a robots.txt, or 0 and why there is none."""
        url: str | None = f"{origin}/robots.txt"
        for _ in range(MOST_REDIRECTS + 1):
            if url is None:
                break
            answer = await self._ask(url, ROBOTS_BYTES, {"Accept-Encoding": "identity"})
            if answer.failure:
                return 0, answer.failure.encode()
            if not answer.is_redirect:
                try:
                    # Some servers pack it though nobody asked.
                    return answer.status, decode_payload(answer.body, answer.coding, ROBOTS_BYTES)
                except PayloadError as error:
                    return 0, error.reason.encode()
            url = canonical_url(answer.header("Location"), base=url)
        return 404, b""  # RFC 9309, section 2.3.1.2: more than five redirects may count as none there

    # pages

    async def _fetch(self, origin: str, depth: int) -> None:
        self.hosts.robots(origin)  # after a kill, for its crawl delay
        for url, hops in self.ledger.admitted(depth, origin):
            conditions, types = self.visits.earlier.conditions(url), self.config.content_types
            answer = await self._ask(url, self.config.limits.size_bytes, conditions, types)
            self.visits.enter(url, answer, depth, hops)

    async def _ask(
        self, url: str, size_bytes: int, headers: Mapping[str, str] | None = None, accept: Collection[str] = ()
    ) -> Answer:
        """Ask for a URL in its host's turn, again after a failure that may pass; nothing within a Retry-After."""
        name = host_of(url)
        host = self.hosts.host(name)
        answer = Answer(failure=host.closed)
        for attempt in range(self.config.retries + 1):
            if host.closed:
                break
            async with host.turn(self.slots):
                answer = await self.transport.fetch(url, size_bytes, headers or {}, accept)
                rest_s = self._rest_s(answer, attempt) if answer.may_pass else 0.0
                host.rest(rest_s)
            if not answer.may_pass:
                if host.failures:
                    host.failures = 0
                    self.hosts.save(name)
                break
            host.failures += attempt == self.config.retries
            if rest_s > self.config.limits.patience_s:
                host.closed = "retry_after"
            elif host.failures >= self.config.limits.failures_per_host:
                host.closed = "host_unavailable"
            self.hosts.save(name, rest_s)
        return answer

    def _rest_s(self, answer: Answer, attempt: int) -> float:
        return max(retry_after_s(answer.header("Retry-After"), time.time()), self.config.back_off_s * 2.0**attempt)
