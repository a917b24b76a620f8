"""Sitemaps (sitemaps.org): the pages, or the further sitemaps, that a host lists of itself."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree  # type: ignore[import-untyped, unused-ignore]
from scrapy.utils.sitemap import Sitemap

from assets.crawl.pages import PayloadError, decode_payload

# The protocol's own limit, unpacked.
MOST_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True)
class Listing:
    """What a sitemap lists: URLs of pages, or of sitemaps where it is an index."""

    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def read_sitemap(body: bytes, coding: str) -> Listing | None:
    """A sitemap, a sitemap index, or a text file of URLs, plain or as a gzip file; None where it is none of these."""
    try:
        body = decode_payload(body, coding, MOST_BYTES)
        if body.startswith(b"\x1f\x8b"):
            body = decode_payload(body, "gzip", MOST_BYTES)
    except PayloadError:
        return None
    if not body.lstrip().startswith((b"<", b"\xef\xbb\xbf<")):
        lines = body.decode("utf-8-sig", "replace").split()
        return Listing(tuple(line for line in lines if line.startswith(("http://", "https://"))), ())
    try:
        sitemap = Sitemap(body)
        found = tuple(dict.fromkeys(entry["loc"] for entry in sitemap if entry["loc"]))
    except (etree.XMLSyntaxError, StopIteration):
        return None
    if sitemap.type == "sitemapindex":
        return Listing((), found)
    return Listing(found, ()) if sitemap.type == "urlset" else None
