"""Which of the pages that were found are asked for, and why the others are not."""

from collections import Counter
from collections.abc import Iterable

from assets.crawl.addresses import AddressPolicy, is_refused_literal
from assets.crawl.config import CrawlConfig
from assets.crawl.host_book import HostBook
from assets.crawl.ledger import Round
from assets.crawl.urls import Scope, host_of, is_trap, origin_of


class Admission:
    """Decides which pages are asked for: "" for yes, otherwise the reason why not."""

    def __init__(self, config: CrawlConfig, scope: Scope, book: HostBook, admitted: Iterable[str]):
        self.limits, self.scope, self.book = config.limits, scope, book
        self.policy = AddressPolicy(config.allow_addresses)
        self.pages = 0
        self.of_host: Counter[str] = Counter()
        self.of_path: Counter[str] = Counter()
        for url in admitted:
            self._count(url)

    def __call__(self, url: str, hops: int, due: Round) -> str:
        reason = self._refusal(url, hops, due)
        if not reason:
            self._count(url)
        return reason

    def _refusal(self, url: str, hops: int, due: Round) -> str:
        limits, host = self.limits, host_of(url)
        if due.depth > limits.depth:
            return "depth"
        if not self.scope.covers(host):
            return "private_address" if is_refused_literal(host, self.policy) else "off_site"
        if hops > limits.redirects:
            return "too_many_redirects"
        if len(url) > limits.url_length:
            return "url_length"
        robots = self.book.robots(origin_of(url))
        assert robots is not None, f"{url} is to be judged before its robots.txt is known"
        if not robots.allows(url):
            return robots.refusal or "robots"
        if robots.delay_s > limits.crawl_delay_s:
            return "crawl_delay"
        if is_trap(url, limits) or ("?" in url and self.of_path[_path(url)] >= limits.queries_per_path):
            return "trap"
        if self.of_host[host] >= limits.pages_per_host or self.pages >= limits.pages:
            return "limits"
        return ""

    def _count(self, url: str) -> None:
        self.pages += 1
        self.of_host[host_of(url)] += 1
        if "?" in url:
            self.of_path[_path(url)] += 1


def _path(url: str) -> str:
    return url.partition("?")[0]
