"""HTTP by Scrapy's downloader: one request, one answer or the reason why there is none.

Scrapy is used for what it has seen more of than anybody (servers that break HTTP, TLS, size and
time limits); what is fetched, when, and what follows from it is decided in `rounds`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sized
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler, CrawlerProcess
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from twisted.internet.error import ConnectError, ConnectionClosed

from assets.crawl.addresses import AddressPolicy, CheckedResolver
from assets.crawl.config import CrawlConfig
from assets.crawl.pages import header, media_type
from assets.crawl.urls import host_of

SETTINGS: dict[str, Any] = {
    "DOWNLOADER_MIDDLEWARES_BASE": {},
    "EXTENSIONS_BASE": {},
    "LOG_ENABLED": False,
    "SPIDER_MIDDLEWARES_BASE": {},
    "TWISTED_DNS_RESOLVER": "scrapy.resolver.CachingHostnameResolver",
}
# What is none of these is a fault of ours, and ends the crawl.
BROKEN = (DownloadConnectionRefusedError, DownloadFailedError, ConnectError, ConnectionClosed)
TRANSIENT = frozenset({"timeout", "truncated", "connection", "dns"})
BUSY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is as sent (transfer-decoded), and empty where nobody wants it.

    Where none came, `status` is 0, and `failure` says why.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    failure: str = ""

    def header(self, name: str) -> str:
        return header(self.headers, name)

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    @property
    def may_pass(self) -> bool:
        """Whether another attempt may have better luck."""
        return self.failure in TRANSIENT or self.status in BUSY

    @property
    def coding(self) -> str:
        return self.header("Content-Encoding").strip().lower()


class Transport:
    """Sends single requests through a running Scrapy engine."""

    def __init__(self, crawler: Crawler, config: CrawlConfig, resolver: CheckedResolver):
        self.crawler, self.config, self.resolver = crawler, config, resolver
        crawler.signals.connect(self._check_headers, signals.headers_received)
        crawler.signals.connect(self._check_bytes, signals.bytes_received)

    async def fetch(self, url: str, size_bytes: int, headers: Mapping[str, str], accept: Collection[str]) -> Answer:
        """Get `url`; nothing is followed, no cookie, no referrer is sent.

        Only a media type in `accept` is read on after its headers, any where that is empty; a body of
        more than `size_bytes` ends there. A 200 with one fails as "too_large", if `accept` is given.
        """
        sent = {"User-Agent": self.config.user_agent_header, "Accept": "*/*", "Accept-Encoding": "gzip"}
        meta = {
            "accept": frozenset(accept),
            "left": size_bytes,
            "download_maxsize": 0,  # Scrapy's own limit ends in an error that does not tell the status
            "download_timeout": self.config.limits.timeout_s,
        }
        request = Request(url, headers={**sent, **headers}, meta=meta, dont_filter=True)
        assert self.crawler.engine is not None
        try:
            response = await self.crawler.engine.download_async(request)
        except CannotResolveHostError:
            return Answer(failure="private_address" if host_of(url) in self.resolver.refused else "dns")
        except DownloadTimeoutError:
            return Answer(failure="timeout")
        except ResponseDataLossError:
            return Answer(failure="truncated")
        except BROKEN:
            return Answer(failure="connection")
        except ValueError as error:
            if not str(error).startswith("invalid hostname"):  # Twisted's word for a name that DNS cannot hold
                raise
            return Answer(failure="dns")
        if accept and response.status == HTTPStatus.OK and request.meta["left"] < 0:
            return Answer(failure="too_large")
        pairs = [(name, value) for name, values in response.headers.items() for value in values]
        decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
        return Answer(response.status, tuple(decoded), response.body)

    def _check_headers(self, headers: Any, body_length: Any, request: Request) -> None:
        if not body_length or not request.meta["accept"]:
            return
        if media_type((headers.get("Content-Type") or b"").decode("latin-1")) not in request.meta["accept"]:
            raise StopDownload(fail=False)
        if isinstance(body_length, int) and body_length > request.meta["left"]:  # a word where it is not known
            self._check_bytes(range(body_length), request)

    def _check_bytes(self, data: Sized, request: Request) -> None:
        request.meta["left"] -= len(data)
        if request.meta["left"] < 0:
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
