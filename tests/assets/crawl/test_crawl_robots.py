"""robots.txt by RFC 9309, and sitemaps."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.crawl.robots import read_robots, read_sitemap

A = "http://a.test"
RULES = b"""\xef\xbb\xbf
User-Agent: OtherBot
Disallow: /

User-agent: tidemill   # that is us
Disallow: /private
Allow: /private/open
Disallow: /*.pdf$
Disallow: /find*q=
Crawl-delay: 2.5
Request-rate: 1/4

Sitemap: http://a.test/one.xml
SITEMAP: /two.xml
Nonsense without a colon
"""


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/", True),
        ("/private/x", False),
        ("/privateer", False),
        ("/private/open/x", True),
        ("/a/b.pdf", False),
        ("/a.pdfx", True),
        ("/find?x=1&q=2", False),
        ("/robots.txt", True),
        ("/PRIVATE", True),
    ],
)
def test_the_longest_rule_of_our_group_decides(path, is_allowed):
    assert read_robots(200, RULES, "Tidemill").allows(A + path) is is_allowed


def test_the_slower_of_crawl_delay_and_request_rate_holds_and_sitemaps_are_listed():
    robots = read_robots(200, RULES, "Tidemill")
    assert robots.delay_s == 4.0
    assert robots.sitemaps == ("http://a.test/one.xml", "/two.xml")
    assert read_robots(200, RULES, "AnotherBot").delay_s == 0.0


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (404, b"", ""),
        (403, b"Disallow: /", ""),
        (429, b"", "robots_unreachable"),
        (503, b"", "robots_unreachable"),
        (0, b"timeout", "robots_unreachable"),
        (0, b"private_address", "private_address"),
        (0, b"dns", "dns"),
    ],
)
def test_no_robots_file_allows_all_and_an_unreachable_one_nothing(status, body, refusal):
    robots = read_robots(status, body, "Tidemill")
    assert robots.refusal == refusal
    assert robots.allows(f"{A}/x") is (refusal == "")


@given(st.binary())
def test_no_bytes_whatever_raise(noise):
    read_robots(200, noise, "Tidemill").allows(f"{A}/x")
    read_robots(200, b"User-agent: *\nDisallow: " + noise, "Tidemill").allows(f"{A}/x?y=z")
    read_sitemap(noise, "")
    read_sitemap(b"<urlset><url><loc>" + noise, "gzip")


def test_sitemaps_indexes_and_plain_lists_packed_or_not():
    urls = b'<?xml version="1.0"?><urlset xmlns="x"><url><loc> http://a/1 </loc></url><url><loc>http://a/2</loc></url>'
    assert read_sitemap(urls + b"</urlset>", "") == (("http://a/1", "http://a/2"), ())
    assert read_sitemap(urls, "") == (("http://a/1", "http://a/2"), ())
    assert read_sitemap(gzip.compress(urls), "") == read_sitemap(gzip.compress(urls), "gzip")
    index = b"<sitemapindex><sitemap><loc>http://a/s.xml.gz</loc></sitemap></sitemapindex>"
    assert read_sitemap(index, "") == ((), ("http://a/s.xml.gz",))
    assert read_sitemap(b"http://a/1\nnot a url\nhttps://a/2\n", "") == (("http://a/1", "https://a/2"), ())
    assert read_sitemap(b"<html><url><loc>http://a/1</loc></url></html>", "") == ((), ())
    assert read_sitemap(gzip.compress(urls)[:-9], "") == ((), ())
