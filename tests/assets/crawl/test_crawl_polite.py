"""Politeness, proven from the server's own log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from tests.assets.crawl.hostile_web import Field, HostileWeb, Reply, Request, site_config

DELAY_S, CRAWL_DELAY_S, RETRY_AFTER_S = 0.1, 0.25, 1


class Busy:
    """Answers the first request for a page with `status` and a Retry-After, and with the page from then on."""

    def __init__(self, status: int, retry_after):
        self.status, self.retry_after, self.asked = status, retry_after, set()

    def __call__(self, path, headers):
        links = b'<a href="/1">1</a><a href="/2">2</a><a href="/3">3</a>' if path == "/" else b""
        if path == "/1" and path not in self.asked:
            self.asked.add(path)
            return Reply(status=self.status, headers={"Retry-After": self.retry_after()})
        return Reply(links)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    web = HostileWeb()
    for host in ("plain.test", "slow.test"):
        web.page(host, "/", "/1", "/2", "/gone", "/old")
        web.page(host, "/1", "/2", "/3", "/3#again")
        web.page(host, "/2")
        web.redirect(host, "/old", "/3")
        web.page(host, "/3")
    web.robots("slow.test", f"User-agent: tidemill\nCrawl-delay: {CRAWL_DELAY_S}\n\nUser-agent: *\nDisallow: /\n")
    web.robots("plain.test", "User-agent: *\nDisallow: /2\nSitemap: /map.xml\nSitemap: http://slow.test/never.xml\n")
    index = b"<sitemapindex><sitemap><loc>/map-1.xml</loc></sitemap></sitemapindex>"
    web.put("plain.test", "/map.xml", Reply(index))
    web.put(
        "plain.test",
        "/map-1.xml",
        Reply(b"<urlset><url><loc>http://plain.test/listed</loc></url><url><loc>/2</loc></url></urlset>"),
    )
    web.page("plain.test", "/listed")
    web.handlers["busy.test"] = Busy(503, lambda: str(RETRY_AFTER_S))
    later = timedelta(seconds=RETRY_AFTER_S + 1)
    web.handlers["dated.test"] = Busy(429, lambda: format_datetime(datetime.now(UTC) + later, usegmt=True))
    web.handlers["hours.test"] = Busy(503, lambda: "7200")
    field = Field(tmp_path_factory.mktemp("polite"))
    with web.served():
        yield field.crawl(site_config(web, delay_s=DELAY_S)), web


def gaps(requests: Sequence[Request]) -> list[float]:
    return [after.time_s - before.time_s for before, after in pairwise(requests)]


@pytest.mark.parametrize("host", ["plain.test", "busy.test", "dated.test", "hours.test"])
def test_requests_to_a_host_are_a_delay_apart_robots_and_retries_included(crawled, host):
    _, web = crawled
    assert len(web.requests(host)) >= 3
    assert min(gaps(web.requests(host))) >= DELAY_S


def test_a_crawl_delay_of_our_own_group_goes_before_a_shorter_delay(crawled):
    _, web = crawled
    assert len(web.requests("slow.test", pages=True)) >= 5
    assert min(gaps(web.requests("slow.test", pages=True))) >= CRAWL_DELAY_S


@pytest.mark.parametrize("host", ["busy.test", "dated.test"])
def test_nothing_is_sent_to_a_host_within_its_retry_after(crawled, host):
    result, web = crawled
    refused = next(n for n, request in enumerate(web.requests(host)) if request.status in (429, 503))
    assert gaps(web.requests(host))[refused] >= RETRY_AFTER_S
    assert {f"http://{host}/{n}" for n in ("", 1, 2, 3)} <= set(result.captures)


def test_a_host_that_asks_for_more_patience_than_there_is_is_given_up(crawled):
    result, web = crawled
    assert [request.path for request in web.requests("hours.test")] == ["/robots.txt", "/", "/1"]
    assert result.reasons["http://hours.test/1"] == "http_503"
    assert result.reasons["http://hours.test/2"] == result.reasons["http://hours.test/3"] == "retry_after"


def test_disallowed_paths_are_never_asked_for(crawled):
    result, web = crawled
    assert result.reasons["http://plain.test/2"] == "robots"
    assert "/2" not in {request.path for request in web.requests("plain.test")}


def test_a_page_that_only_the_sitemap_lists_is_found_and_no_host_lists_for_another(crawled):
    result, web = crawled
    assert "http://plain.test/listed" in result.captures
    assert "/never.xml" not in {request.path for request in web.log}


def test_nothing_is_asked_for_twice_but_what_was_refused(crawled):
    _, web = crawled
    asked = [(request.host, request.path) for request in web.log]
    twice = {pair for pair in asked if asked.count(pair) > 1}
    assert twice == {("busy.test", "/1"), ("dated.test", "/1")}
