"""What a page says of itself, and what its transfer may do to it."""

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.crawl.hosts import retry_after_s
from assets.crawl.pages import Page, PayloadError, decode_payload, opt_out, read_page

A = "http://a.test/dir/page"
HTML = "text/html; charset=utf-8"


def read(html: str | bytes, content_type: str = HTML, **headers: str) -> Page:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return read_page(html.encode() if isinstance(html, str) else html, content_type, A, "Tidemill", given)


def test_links_in_document_order_without_those_that_nobody_should_follow():
    page = read(
        '<meta http-equiv="Refresh" content="5; URL=\'/moved\'"><a href="b">b</a><area href=c><a>no</a>'
        '<a href="d" rel="noopener NoFollow">d</a><a href="b#again">b</a><p>open<a href="e'
    )
    assert page.links == ("/moved", "b", "c", "b#again")
    assert page.base == A


def test_links_are_relative_to_the_first_base():
    assert read('<base href="/root/"><base href="/other/"><a href="x">').base == "http://a.test/root/"
    assert read('<base href="http://[bad"><a href="x">').base == A


def test_plain_text_has_no_links():
    assert read("<a href=x>", "text/plain").links == ()


def test_a_wrong_charset_costs_characters_and_no_links():
    html = '<a href="/ä">ü</a><a href="/b">'.encode("latin-1")
    for charset in ("utf-8", "utf-16", "shift_jis", "no-such", '"', ""):
        assert read(html, f"text/html; charset={charset}").links[-1:] in [("/b",), ()]
    assert read(html, "text/html; charset=iso-8859-1").links == ("/ä", "/b")


@pytest.mark.parametrize(
    "html",
    [b"", b"\0\0", b"<", b"<div>" * 100_000 + b"<a href=/x>", b"<a " + b"b=c " * 50_000 + b">", bytes(range(256)) * 99],
)
def test_hostile_html_is_read_without_a_crash(html):
    read(html)


@given(st.binary(), st.text(max_size=20))
def test_no_bytes_whatever_raise(noise, charset):
    read(b"<a href='" + noise, f"text/html; charset={charset}")
    for coding in ("gzip", "deflate", "br", "identity"):
        with suppress(PayloadError):
            assert len(decode_payload(noise, coding, 1000)) <= 1000


@given(st.binary(max_size=2000))
def test_content_codings_are_undone(payload):
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(payload, mtime=0) + b"padding",
        "x-gzip": gzip.compress(payload[:9], mtime=0) + gzip.compress(payload[9:]),
        "deflate": zlib.compress(payload),
        "": payload,
    }
    assert all(decode_payload(body, coding, 2000) == payload for coding, body in packed.items())
    assert decode_payload(raw.compress(payload) + raw.flush(), "deflate", 2000) == payload


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (gzip.compress(b"x" * 5000, mtime=0)[:-9], "gzip", "truncated"),
        (b"plain", "gzip", "truncated"),
        (gzip.compress(b"x" * 5001, mtime=0), "gzip", "too_large"),
        (b"x", "zstd", "content_encoding"),
    ],
)
def test_a_payload_that_cannot_be_unpacked_says_why(body, coding, reason):
    with pytest.raises(PayloadError) as caught:
        decode_payload(body, coding, 5000)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("meta", "header", "tdm", "reason"),
    [
        ('<meta name="robots" content="noai, noimageai">', "", "", "noai"),
        ('<meta name="TideMill" content="NOAI">', "", "", "noai"),
        ('<meta name="otherbot" content="noai">', "", "", ""),
        ('<meta name="robots" content="noindex, noimageai">', "", "", ""),
        ("", "noai", "", "noai"),
        ("", "otherbot: noai, tidemill: nofollow, noai", "", "noai"),
        ("", "tidemill: nofollow, otherbot: noai", "", ""),
        ("", "unavailable_after: 25 Jun 2030 15:00:00 GMT, noai", "", "noai"),
        ('<meta name="tdm-reservation" content="1">', "", "", "tdm_reservation"),
        ('<meta name="tdm-reservation" content="0">', "", "", ""),
        ("", "", "1", "tdm_reservation"),
        ("", "", "0", ""),
    ],
)
def test_opt_outs_of_page_and_header(meta, header, tdm, reason):
    page = read(meta + "<p>words", x_robots_tag=header, TDM_Reservation=tdm)
    assert opt_out(page, frozenset({"noai", "tdm_reservation"})) == reason
    assert opt_out(page, ()) == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("", 0),
        ("²", 0),
        ("Thu, 99 Jan 1970 00:00:10 GMT", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value, seconds):
    assert retry_after_s(value, now=100.0) == seconds
