"""What a fetched page says of itself: its payload, the links to follow, and its opt-outs."""

import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

from lxml import etree  # type: ignore[import-untyped, unused-ignore]
from w3lib.encoding import html_to_unicode

from resources.errors import InputError

Headers = Sequence[tuple[str, str]]
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_REFRESH_URL = re.compile(r"""url\s*=\s*["']?([^"']+)""", re.IGNORECASE)


class PayloadError(InputError):
    """A content coding that cannot be undone; `reason` is "truncated", "too_large" or "content_encoding"."""

    def __init__(self, reason: str):
        super().__init__(f"a payload cannot be decoded: {reason}; its page is dropped with that reason")
        self.reason = reason


@dataclass(frozen=True)
class Page:
    """`links` as written in the page, `base` what they are relative to, `robots` the directives for this crawler."""

    links: tuple[str, ...]
    base: str
    robots: frozenset[str]
    is_tdm_reserved: bool


def header(headers: Headers, name: str) -> str:
    """The value of a header, several joined by ", " as RFC 9110 has it; "" where there is none."""
    return ", ".join(value for key, value in headers if key.lower() == name.lower())


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def decode_payload(body: bytes, coding: str, size_bytes: int) -> bytes:
    """Undo gzip or deflate, to at most `size_bytes`.

    Raises PayloadError if the stream is broken or ends early, unpacks to more, or the coding is another.
    """
    if coding in ("", "identity") or not body:
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise PayloadError("content_encoding")
    # Servers send "deflate" with and without the zlib wrapper (RFC 9110, section 8.4.1.2).
    is_raw = coding == "deflate" and (len(body) < 2 or body[0] & 15 != 8 or int.from_bytes(body[:2], "big") % 31)
    payload = b""
    while body:
        stream = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32)
        try:
            payload += stream.decompress(body, size_bytes + 1 - len(payload))
        except zlib.error as error:
            raise PayloadError("truncated") from error
        if len(payload) > size_bytes:
            raise PayloadError("too_large")
        if not stream.eof:
            raise PayloadError("truncated")
        # gzip may hold several members; what follows the last one is padding that servers append.
        body = stream.unused_data if stream.unused_data.startswith(b"\x1f\x8b") else b""
    return payload


def read_page(payload: bytes, content_type: str, url: str, user_agent: str, headers: Headers = ()) -> Page:
    """Links and opt-outs of a page; one that is not HTML has no links, and only the opt-outs of its headers.

    Links with rel=nofollow are left out, as are all of a page that says nofollow. A wrong charset
    garbles characters, never more: what cannot be decoded is replaced.
    """
    base, links = url, list[str]()
    directives = _header_directives(header(headers, "X-Robots-Tag"), user_agent)
    is_reserved = header(headers, "TDM-Reservation").strip() == "1"
    html = html_to_unicode(content_type, payload)[1] if media_type(content_type) in HTML_TYPES else ""
    for element in _elements(html, "a", "area", "base", "meta"):
        href = element.get("href")
        if element.tag == "meta":
            name, content = element.get("name", "").strip().lower(), element.get("content", "")
            if name in ("robots", user_agent.lower()):
                directives.update(_tokens(content))
            elif name == "tdm-reservation":
                is_reserved = is_reserved or content.strip() == "1"
            elif element.get("http-equiv", "").strip().lower() == "refresh":
                links.extend(_REFRESH_URL.findall(content)[:1])
        elif element.tag == "base":
            with suppress(ValueError):  # no URL at all
                base = urljoin(url, href) if href and base == url else base
        elif href is not None and "nofollow" not in element.get("rel", "").lower().split():
            links.append(href)
    if {"nofollow", "none"} & directives:
        links.clear()
    return Page(tuple(dict.fromkeys(links)), base, frozenset(directives), is_reserved)


def opt_out(page: Page, honoured: Collection[str]) -> str:
    """The honoured opt-out that a page declares, as a drop reason; "" where it declares none.

    `noai` is the directive that DeviantArt introduced; TDM-Reservation is the W3C community
    group's protocol (TDMRep, 2024), whose value 1 reserves the right to text and data mining.
    """
    declared = {"noai": "noai" in page.robots, "tdm_reservation": page.is_tdm_reserved}
    return next((reason for reason, is_declared in declared.items() if is_declared and reason in honoured), "")


def _header_directives(value: str, user_agent: str) -> set[str]:
    """The directives of X-Robots-Tag for everybody and for this crawler ("bot: noai" speaks to that bot alone)."""
    found, addressee = set(), ""
    for token in _tokens(value):
        name, colon, rest = token.partition(":")
        if colon and name.strip() != "unavailable_after":
            addressee, token = name.strip(), rest.strip()
        if addressee in ("", user_agent.lower()):
            found.add(token)
    return found


def _elements(text: str, *names: str) -> Iterator[etree._Element]:
    """The elements of these names in an HTML document, in document order."""
    # libxml2 takes text up to the first NUL only, and encodes nothing that is not UTF-8.
    source = text.replace("\0", "").encode("utf-8", "replace")
    try:
        root = etree.fromstring(source, etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True))
    except etree.XMLSyntaxError:
        return
    if root is not None:
        yield from root.iter(*names)


def _tokens(text: str) -> Iterator[str]:
    yield from filter(None, (token.strip() for token in text.lower().split(",")))
