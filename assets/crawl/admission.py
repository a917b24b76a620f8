"""Which of the pages that were found are asked for, and why the others are not."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from assets.crawl.addresses import AddressPolicy, is_refused_literal
from assets.crawl.config import CrawlConfig, Limits
from assets.crawl.hosts import Hosts
from assets.crawl.urls import Scope, host_of, origin_of


class Admission:
    """Decides which pages are asked for: "" for yes, otherwise the reason why not."""

    def __init__(self, config: CrawlConfig, scope: Scope, hosts: Hosts, admitted: Iterable[str]):
        self.limits, self.scope, self.hosts = config.limits, scope, hosts
        self.policy = AddressPolicy(config.allow_addresses)
        self.pages = 0
        self.of_host: Counter[str] = Counter()
        self.of_path: Counter[str] = Counter()
        for url in admitted:
            self._count(url)

    def __call__(self, url: str, depth: int, hops: int) -> str:
        reason = self._refusal(url, depth, hops)
        if not reason:
            self._count(url)
        return reason

    def _refusal(self, url: str, depth: int, hops: int) -> str:
        limits, host = self.limits, host_of(url)
        if depth > limits.depth:
            return "depth"
        if not self.scope.covers(host):
            return "private_address" if is_refused_literal(host, self.policy) else "off_site"
        if hops > limits.redirects:
            return "too_many_redirects"
        if len(url) > limits.url_length:
            return "url_length"
        robots = self.hosts.robots(origin_of(url))
        assert robots is not None, f"{url} is to be judged before its robots.txt is known"
        if not robots.allows(url):
            return robots.refusal or "robots"
        if robots.delay_s > limits.crawl_delay_s:
            return "crawl_delay"
        path, question, _ = url.partition("?")
        if is_trap(url, limits) or (question and self.of_path[path] >= limits.queries_per_path):
            return "trap"
        if self.of_host[host] >= limits.pages_per_host or self.pages >= limits.pages:
            return "limits"
        return ""

    def _count(self, url: str) -> None:
        self.pages += 1
        self.of_host[host_of(url)] += 1
        path, question, _ = url.partition("?")
        if question:
            self.of_path[path] += 1


def is_trap(url: str, limits: Limits) -> bool:
    """Whether a canonical URL repeats a path segment or a parameter more often than the limits allow."""
    parts = urlsplit(url)
    parameters = (piece.partition("=")[0] for piece in parts.query.split("&"))
    pieces = Counter([*parts.path.split("/"), *(f"?{name}" for name in parameters)])
    return any(count > limits.repetition for piece, count in pieces.items() if piece not in ("", "?"))
