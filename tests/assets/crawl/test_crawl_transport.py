"""What servers do wrong has a name; what is a fault of ours ends the crawl with its own error."""

import asyncio
from types import SimpleNamespace

import pytest
from scrapy.exceptions import CannotResolveHostError, DownloadFailedError, DownloadTimeoutError
from twisted.internet.error import ConnectionLost, NoRouteError

from assets.crawl.addresses import AddressPolicy, CheckedResolver
from assets.crawl.config import CrawlConfig
from assets.crawl.transport import Answer, Transport


def fetch(error: Exception, *refused: str) -> Answer:
    """What comes of a request that ends with this error."""

    async def download_async(request):
        raise error

    engine = SimpleNamespace(download_async=download_async)
    crawler = SimpleNamespace(engine=engine, signals=SimpleNamespace(connect=lambda *receiver: None))
    resolver = CheckedResolver(None, AddressPolicy(), {})
    resolver.refused.update(refused)
    return asyncio.run(Transport(crawler, CrawlConfig(), resolver).fetch("http://a.test/", 100, {}, ()))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DownloadTimeoutError("slow"), "timeout"),
        (DownloadFailedError("no HTTP"), "connection"),
        (NoRouteError(), "connection"),
        (ConnectionLost(), "connection"),
        (CannotResolveHostError("who"), "dns"),
        (ValueError("invalid hostname: a_b.test"), "dns"),
    ],
)
def test_each_failure_of_a_request_has_its_reason(error, reason):
    assert fetch(error) == Answer(failure=reason)


def test_a_name_of_which_an_address_was_refused_is_private():
    assert fetch(CannotResolveHostError("none left"), "a.test").failure == "private_address"


@pytest.mark.parametrize("error", [KeyError("accept"), ValueError("not a host name"), TypeError("ours")])
def test_an_error_of_ours_is_no_failure_of_the_server(error):
    with pytest.raises(type(error)):
        fetch(error)
