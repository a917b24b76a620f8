"""One URL, one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.crawl.admission import is_trap
from assets.crawl.config import Limits
from assets.crawl.urls import Scope, canonical_url, host_of, origin_of

SESSIONS = ("sid", "jsessionid")
PIECES = st.sampled_from(
    ["a", "B", "%7e", "%2F", "%e4", "ä", " ", "..", ".", "/", "?", "&", "=", "#", ";", "%", "sid=1", "+"]
)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/", "http://example.org/"),
        ("https://example.org:443/", "https://example.org/"),
        ("http://example.org:8080/", "http://example.org:8080/"),
        ("http://example.org./a/./b/../c/..", "http://example.org/a/"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/%7euser/%c3%a4%2f", "http://example.org/~user/%C3%A4%2F"),
        ("http://example.org/ä b", "http://example.org/%C3%A4%20b"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a?", "http://example.org/a"),
        ("http://example.org/?b=2&a=1&b=1&&", "http://example.org/?a=1&b=2&b=1"),
        ("http://example.org/a;JSESSIONID=1;v=2?SID=9&q=x", "http://example.org/a;v=2?q=x"),
        ("  http://exa\nmple.org/a\tb ", "http://example.org/ab"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
        ("http://a/\ud800", "http://a/"),
    ],
)
def test_a_url_has_one_canonical_form(url, canonical):
    assert canonical_url(url, SESSIONS) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mailto:a@b",
        "ftp://a/",
        "http://",
        "http:///a",
        "http://[::1",
        "http://a:99999/",
        "http://a:0/",
        "http://a b/",
        "http://user:secret@a/",
        "http://a%2eb/",
        "http://" + "x" * 64 + "ä/",
        "javascript:void(0)",
        "http://a<b/",
        "http://a..b/",
        "http://" + "x" * 64 + ".test/",
        "http://" + "x." * 130 + "test/",
    ],
)
def test_what_cannot_be_fetched_is_no_url(url):
    assert canonical_url(url, SESSIONS) is None


@given(st.lists(PIECES).map("".join))
def test_canonical_form_is_stable_and_clean(text):
    url = canonical_url(text, SESSIONS, "http://Host.test/dir/page?q#f")
    if url is not None:
        assert canonical_url(url, SESSIONS) == url
        assert url.isascii()
        assert "#" not in url
        assert "/../" not in url
        assert url.startswith(origin_of(url) + "/")


@given(st.text())
def test_no_text_whatever_raises(text):
    canonical_url(text, SESSIONS, "http://host.test/")
    canonical_url(f"http://{text}", SESSIONS)


def test_origin_and_host_of_a_canonical_url():
    assert origin_of("https://a.test:8443/x/y?z") == "https://a.test:8443"
    assert host_of("https://a.test:8443/x") == "a.test"


def test_a_domain_covers_its_subdomains_and_nothing_that_merely_ends_alike():
    scope = Scope(["Example.org", "docs.test"])
    assert all(map(scope.covers, ["example.org", "www.example.org", "a.b.docs.test"]))
    assert not any(map(scope.covers, ["badexample.org", "org", "test", "", "docs.test.evil"]))


def test_repeated_segments_and_parameters_are_traps():
    limits = Limits(repetition=2)
    assert is_trap("http://a/x/y/x/y/x/", limits)
    assert is_trap("http://a/?d=1&d=2&d=3", limits)
    assert not is_trap("http://a/x/y/x/z//?d=1&d=2", limits)
