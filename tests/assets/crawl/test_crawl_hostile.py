"""A site that does everything wrong: the crawl ends, every URL is accounted for, and each reason has its name."""

import gzip
import zlib
from pathlib import Path

import pytest

from assets.documents import read_dropped
from tests.assets.crawl.hostile_web import Field, HostileWeb, Reply, site_config

A, B = "http://a.test", "http://b.test"
TEXT = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    web = HostileWeb()
    packed = gzip.compress(b"<p>words</p>" * 500)
    odd = {
        "/drip": Reply(b"<p>", manner="drip"),
        "/endless": Reply(b"<p>", manner="endless"),
        "/cut": Reply(b"<p>half", manner="cut"),
        "/large": Reply(b"x" * 50_001),
        "/bomb": Reply(gzip.compress(b"x" * 10_000_000), headers={**TEXT, "Content-Encoding": "gzip"}),
        "/torn-gzip": Reply(packed[:-20], headers={**TEXT, "Content-Encoding": "gzip"}),
        "/bad-gzip": Reply(b"<p>not gzip</p>", headers={**TEXT, "Content-Encoding": "gzip"}),
        "/brotli": Reply(b"\x0b\x02\x80", headers={**TEXT, "Content-Encoding": "br"}),
        "/gzip": Reply(packed, headers={**TEXT, "Content-Encoding": "gzip"}),
        "/deflate": Reply(zlib.compress(b"<p>deflated</p>"), headers={**TEXT, "Content-Encoding": "deflate"}),
        "/wrong-charset": Reply("<p>naïve</p>".encode("latin-1")),
        "/no-charset": Reply(
            b"<p>\xff\xfe\x00<a href=/beyond-nul>", headers={"Content-Type": "text/html; charset=none"}
        ),
        "/image": Reply(b"\x89PNG", headers={"Content-Type": "image/png"}),
        "/endless-image": Reply(b"\x89PNG", headers={"Content-Type": "image/png"}, manner="endless"),
        "/untyped": Reply(b"words", headers={}),
        "/error": Reply(b"oops", 500),
        "/large-error": Reply(b"x" * 50_001, 404),
        "/endless-error": Reply(b"x", 404, manner="endless"),
        "/gone": Reply(b"", 410),
        "/noai-header": Reply(b"<p>mine</p>", headers={**TEXT, "X-Robots-Tag": "noai"}),
        "/other-bot": Reply(b"<p>yours</p>", headers={**TEXT, "X-Robots-Tag": "otherbot: noai"}),
        "/tdm-header": Reply(b"<p>mine</p>", headers={**TEXT, "TDM-Reservation": "1"}),
        "/location-less": Reply(status=302, headers={}),
        "/location-bad": Reply(status=301, headers={"Location": "ftp://a.test/"}),
    }
    for path, reply in odd.items():
        web.put("a.test", path, reply)
    web.page("a.test", "/noai-meta", "/behind-noai", head='<meta name="ROBOTS" content="NoAI, nofoo">')
    web.page("a.test", "/tdm-meta", head='<meta name="tdm-reservation" content="1">')
    web.page("a.test", "/nofollow", "/behind-nofollow", head='<meta name="robots" content="nofollow">')
    for name in ("behind-noai", "beyond-nul", "plain"):
        web.page("a.test", f"/{name}")
    web.redirect("a.test", "/self", "/self")
    web.redirect("a.test", "/loop1", "/loop2")
    web.redirect("a.test", "/loop2", "/loop1")
    web.redirect("a.test", "/into-loop", "/loop1")
    web.redirect("a.test", "/good", "/plain#part")
    for hop in range(9):
        web.redirect("a.test", f"/hop{hop}", f"/hop{hop + 1}")
    privates = ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.2]", "2130706434"]
    for number, address in enumerate(privates):
        web.redirect("a.test", f"/private{number}", f"http://{address}/latest/meta-data")
    web.redirect("a.test", "/off-site", "http://elsewhere.example/")
    web.redirect("a.test", "/long-host", "http://" + "x." * 1500 + "test/")
    hops = [
        "/hop0",
        "/self",
        "/loop1",
        "/into-loop",
        "/good",
        "/off-site",
        "/long-host",
        *(f"/private{n}" for n in range(6)),
    ]
    odd_links = ["mailto:x@a.test", "http://[bad", "http://a.test:99999/", "javascript:void(0)", "http://u:p@a.test/x"]
    strange = ["/a/b/a/b/a/b/a/b", "/?x=1&x=2&x=3&x=4", "/" + "y" * 3000, "/private/x", "//inside.test/", *odd_links]
    metas = ["/noai-meta", "/tdm-meta", "/nofollow", "/secret", "/secret.html", "/open/secret.html", "/missing"]
    web.page("a.test", "/", *odd, *metas, *hops, *strange)
    web.robots(
        "a.test", "User-agent: *\nDisallow: /secret\nDisallow: /private/\nDisallow: /*.html$\nAllow: /open/secret\n"
    )

    # A calendar without an end, and a session that changes with every link.
    web.handlers["b.test"] = lambda path, headers: Reply(
        f'<a href="/day?d={int(path.partition("d=")[2][:4] or 0) + 1}&sid={len(path)}">next</a>'.encode()
    )
    web.robots("b.test", "")
    # A host whose robots.txt never comes, one that answers 503, one that asks for an hour between pages.
    web.put("c.test", "/robots.txt", Reply(b"User-agent: *\n", manner="drip"))
    web.put("d.test", "/robots.txt", Reply(b"", 503))
    web.robots("e.test", "User-agent: *\nCrawl-delay: 3600\nSitemap: http://e.test/sitemap.xml\n")
    # A robots.txt without an end is read as far as its first 500 KiB, and obeyed.
    endless = b"User-agent: *\nDisallow: /no\n# filler"
    web.put("f.test", "/robots.txt", Reply(endless, headers={"Content-Type": "text/plain"}, manner="endless"))
    web.page("f.test", "/", "/no", "/yes")
    web.page("f.test", "/yes")
    # One that comes packed, though nobody asked for that, is a robots.txt all the same.
    packed_rules = gzip.compress(b"User-agent: *\nDisallow: /no\n")
    web.put("g.test", "/robots.txt", Reply(packed_rules, headers={**TEXT, "Content-Encoding": "gzip"}))
    web.page("g.test", "/", "/no")
    field = Field(Path(tmp_path_factory.mktemp("hostile")))
    with web.served():
        connect = {f"{host}:80": f"127.0.0.1:{web.port}" for host in web.hosts}
        connect["inside.test:80"] = f"127.0.0.3:{web.port}"  # a name that resolves to an address nobody allowed
        limits = {"size_bytes": 50_000, "timeout_s": 0.7, "depth": 6, "redirects": 4}
        config = site_config(web, connect_to=connect, limits=limits, retries=0)
        yield field.crawl(config), web


def test_nothing_is_lost_from_the_accounting(crawled):
    result, _ = crawled
    assert result.is_accounted()


@pytest.mark.parametrize(
    ("path", "reason"),
    {
        "/drip": "timeout",
        "/endless": "too_large",
        "/large": "too_large",
        "/bomb": "too_large",
        "/cut": "truncated",
        "/torn-gzip": "truncated",
        "/bad-gzip": "truncated",
        "/brotli": "content_encoding",
        "/image": "content_type",
        "/endless-image": "content_type",
        "/untyped": "content_type",
        "/error": "http_500",
        "/large-error": "http_404",
        "/endless-error": "http_404",
        "/gone": "http_410",
        "/missing": "http_404",
        "/noai-header": "noai",
        "/noai-meta": "noai",
        "/tdm-header": "tdm_reservation",
        "/tdm-meta": "tdm_reservation",
        "/secret": "robots",
        "/secret.html": "robots",
        "/private/x": "robots",
        "/location-less": "redirect_invalid",
        "/location-bad": "redirect_invalid",
        "/self": "redirect_loop",
        "/loop1": "redirect_loop",
        "/loop2": "redirect_loop",
        "/into-loop": "redirect_loop",
        "/good": "redirect",
        "/hop4": "redirect",
        "/hop5": "too_many_redirects",
        "/off-site": "redirect",
        "/a/b/a/b/a/b/a/b": "trap",
        "/?x=1&x=2&x=3&x=4": "trap",
    }.items(),
)
def test_each_misbehaviour_has_its_reason(crawled, path, reason):
    result, _ = crawled
    assert result.reasons[A + path] == reason


def test_a_drop_carries_the_figure_that_decided(crawled):
    result, _ = crawled
    scores = {dropped.url: dropped.score for dropped in read_dropped(result.folder)}
    figures = {"/gone": 410, "/large": 50_000, "/hop5": 5, "/secret": None}
    assert {path: scores[A + path] for path in figures} == figures
    assert [score for url, score in scores.items() if "yyy" in url] == [2001]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/latest/meta-data",
        "http://10.0.0.1/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/latest/meta-data",
        "http://[::ffff:7f00:2]/latest/meta-data",
        "http://inside.test/",
    ],
)
def test_a_private_address_is_named_and_never_contacted(crawled, url):
    result, web = crawled
    assert result.reasons[url] == "private_address"
    assert {request.host for request in web.log} == {f"{letter}.test" for letter in "abcdefg"}


def test_a_redirect_elsewhere_is_off_site_however_its_address_is_spelled(crawled):
    result, _ = crawled
    assert result.reasons["http://elsewhere.example/"] == "off_site"
    assert result.reasons["http://2130706434/latest/meta-data"] == "off_site"


def test_an_overlong_url_is_cut_and_refused(crawled):
    result, _ = crawled
    assert [reason for url, reason in result.reasons.items() if "yyy" in url] == ["url_length"]


def test_what_can_be_read_is_kept_as_sent(crawled):
    result, _ = crawled
    paths = ("/gzip", "/deflate", "/wrong-charset", "/no-charset", "/beyond-nul", "/other-bot", "/nofollow")
    assert {A + path for path in (*paths, "/", "/plain", "/behind-noai")} <= set(result.captures)
    assert result.payload(f"{A}/gzip") == b"<p>words</p>" * 500
    assert result.payload(f"{A}/deflate") == b"<p>deflated</p>"
    assert result.payload(f"{A}/wrong-charset") == "<p>naïve</p>".encode("latin-1")


def test_nofollow_links_and_links_that_are_no_urls_are_not_considered(crawled):
    result, _ = crawled
    known = set(result.captures) | set(result.reasons)
    assert f"{A}/behind-nofollow" not in known
    assert not [url for url in known if "@" in url or not url.startswith("http")]


def test_allow_overrides_a_shorter_disallow(crawled):
    result, web = crawled
    assert result.reasons[f"{A}/open/secret.html"] == "http_404"
    assert not [request for request in web.requests("a.test") if request.path.startswith(("/secret", "/private/"))]


def test_an_endless_calendar_ends_at_the_depth_limit_and_sessions_are_one_page(crawled):
    result, _ = crawled
    of_calendar = [url for url in result.captures if url.startswith(B)]
    assert sorted(of_calendar) == [f"{B}/", *(f"{B}/day?d={day}" for day in range(1, 7))]
    assert result.reasons[f"{B}/day?d=7"] == "depth"


def test_a_host_whose_rules_cannot_be_had_or_kept_is_left_alone(crawled):
    result, web = crawled
    assert result.reasons["http://d.test/"] == "robots_unreachable"
    assert result.reasons["http://e.test/"] == "crawl_delay"
    assert not web.requests("d.test", pages=True)
    assert not web.requests("e.test", pages=True), "nor are its sitemaps asked for"


def test_an_unending_robots_file_is_obeyed_as_far_as_it_was_read(crawled):
    result, _ = crawled
    assert result.reasons["http://f.test/no"] == result.reasons["http://g.test/no"] == "robots"
    assert "http://f.test/yes" in result.captures


def test_every_request_says_who_asks_and_nothing_else(crawled):
    _, web = crawled
    assert {request.headers["user-agent"] for request in web.log} == {"Tidemill/1.0 (+crawl@example.org)"}
    assert not [request for request in web.log if {"cookie", "referer"} & set(request.headers)]
