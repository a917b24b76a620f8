"""HTTP by Scrapy's downloader: one request, one answer or the reason why there is none.

Scrapy is used for what it has seen more of than anybody (servers that break HTTP, TLS, size and
time limits); what is fetched, when, and what follows from it is decided in `rounds`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler, CrawlerProcess
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)

from assets.crawl.addresses import AddressPolicy, CheckedResolver
from assets.crawl.config import CrawlConfig
from assets.crawl.pages import header, media_type
from assets.crawl.urls import host_of

log = logging.getLogger(__name__)

SETTINGS: dict[str, Any] = {
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "COOKIES_ENABLED": False,
    "DOWNLOADER_MIDDLEWARES_BASE": {},
    "DOWNLOAD_DELAY": 0,
    "DOWNLOAD_WARNSIZE": 0,
    "EXTENSIONS_BASE": {},
    "LOG_ENABLED": False,
    "SPIDER_MIDDLEWARES_BASE": {},
    "TWISTED_DNS_RESOLVER": "scrapy.resolver.CachingHostnameResolver",
}
REASONS: dict[type[Exception], str] = {
    DownloadTimeoutError: "timeout",
    DownloadCancelledError: "too_large",
    ResponseDataLossError: "truncated",
    DownloadConnectionRefusedError: "connection",
    DownloadFailedError: "connection",
}
TRANSIENT = frozenset({"timeout", "truncated", "connection", "dns"})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is as sent (transfer-decoded), and empty where nobody wants it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return header(self.headers, name)

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    @property
    def media_type(self) -> str:
        return media_type(self.header("Content-Type"))

    @property
    def coding(self) -> str:
        return self.header("Content-Encoding").strip().lower()


@dataclass(frozen=True)
class Failure:
    """Why there is no answer."""

    reason: str

    @property
    def is_transient(self) -> bool:
        return self.reason in TRANSIENT


class Transport:
    """Sends single requests through a running Scrapy engine."""

    def __init__(self, crawler: Crawler, config: CrawlConfig, resolver: CheckedResolver):
        self.crawler, self.config, self.resolver = crawler, config, resolver
        crawler.signals.connect(self._check_headers, signals.headers_received)
        crawler.signals.connect(self._check_bytes, signals.bytes_received)

    async def fetch(
        self, url: str, size_bytes: int, headers: Mapping[str, str], accept: Collection[str], cut: bool
    ) -> Answer | Failure:
        """Get `url`; nothing is followed, no cookie, no referrer is sent.

        Only a 200 with a media type in `accept` (any, where empty) is read on after its headers.
        A body over `size_bytes` fails as "too_large", or ends there with `cut`.
        """
        sent = {"User-Agent": self.config.user_agent_header, "Accept": "*/*", "Accept-Encoding": "gzip"}
        meta = {
            "accept": frozenset(accept),
            "cut": size_bytes if cut else None,
            "download_maxsize": 0 if cut else size_bytes,
            "download_timeout": self.config.limits.timeout_s,
        }
        request = Request(url, headers={**sent, **headers}, meta=meta, dont_filter=True)
        assert self.crawler.engine is not None
        try:
            response = await self.crawler.engine.download_async(request)
        except CannotResolveHostError:
            return Failure("private_address" if host_of(url) in self.resolver.refused else "dns")
        except tuple(REASONS) as error:
            return Failure(REASONS[type(error)])
        except Exception:
            # One server's way to break HTTP that Scrapy has no name for must not end the crawl.
            log.warning("%s could not be fetched", url, exc_info=True)
            return Failure("connection")
        pairs = [(name, value) for name, values in response.headers.items() for value in values]
        decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
        return Answer(response.status, tuple(decoded), response.body)

    def _check_headers(self, headers: Any, request: Request) -> None:
        kind = media_type((headers.get("Content-Type") or b"").decode("latin-1"))
        if request.meta["accept"] and kind not in request.meta["accept"]:
            raise StopDownload(fail=False)

    def _check_bytes(self, data: bytes, request: Request) -> None:
        limit = request.meta["cut"]
        if limit is not None:
            request.meta["cut"] = limit - len(data)
            if request.meta["cut"] <= 0:
                raise StopDownload(fail=False)


def run_scrapy(config: CrawlConfig, policy: AddressPolicy, crawl: Callable[[Transport], Awaitable[None]]) -> None:
    """Run `crawl` in a Scrapy engine of its own, in this process, which can do so once in its life."""
    errors: list[BaseException] = []

    class CrawlSpider(Spider):
        name = "tidemill"

        async def start(self) -> Any:
            from twisted.internet import reactor

            resolver = CheckedResolver(reactor.nameResolver, policy, config.connect_to)
            reactor.installNameResolver(resolver)
            try:
                await crawl(Transport(self.crawler, config, resolver))
            except (Exception, asyncio.CancelledError) as error:
                errors.append(error)
            for request in list[Request]():
                yield request

    process = CrawlerProcess({**SETTINGS, "CONCURRENT_REQUESTS": config.concurrency})
    logging.getLogger("scrapy").setLevel(logging.CRITICAL)  # what it would say is in the drop reasons
    process.crawl(CrawlSpider)
    process.start(install_signal_handlers=False)
    if errors:
        raise errors[0]
