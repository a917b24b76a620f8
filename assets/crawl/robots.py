"""What a host says to crawlers: robots.txt by RFC 9309, and sitemaps by sitemaps.org."""

from dataclasses import dataclass

from lxml import etree  # type: ignore[import-untyped, unused-ignore]
from protego import Protego
from scrapy.utils.sitemap import Sitemap

from assets.crawl.pages import PayloadError, decode_payload

ROBOTS_BYTES = 500 * 1024
SITEMAP_BYTES = 50 * 1024 * 1024  # the protocol's own limit, unpacked
MOST_REDIRECTS = 5
# Failures that say something of the host itself, and not of its robots.txt.
NO_HOST = frozenset({"private_address", "dns"})

Urls = tuple[str, ...]


@dataclass(frozen=True)
class Robots:
    """The rules of one origin for one crawler.

    `rules` is None where the origin has no robots.txt (all is allowed). `refusal` says why it
    could not be had, "" where it could: nothing is allowed then (RFC 9309, section 2.3.1.4).
    `delay_s` is the crawl delay or request rate that the rules ask for, 0 where they ask for none.
    """

    user_agent: str
    rules: Protego | None
    refusal: str
    delay_s: float
    sitemaps: Urls

    def allows(self, url: str) -> bool:
        """Whether the URL may be fetched: the longest matching rule decides, `*` and `$` are understood."""
        if self.rules is None:
            return not self.refusal
        return bool(self.rules.can_fetch(url, self.user_agent))


def read_robots(status: int, body: bytes, user_agent: str) -> Robots:
    """The rules in an answer to /robots.txt; status 0 stands for no answer, `body` then says why.

    2xx is parsed up to 500 KiB, whatever its type; 4xx means that all is allowed, except 429,
    which like 5xx and no answer means that nothing is (RFC 9309, section 2.3.1).
    """
    if 200 <= status < 300:
        rules = Protego.parse(body[:ROBOTS_BYTES].decode("utf-8-sig", "replace"))
        rate = rules.request_rate(user_agent)
        delays = (rules.crawl_delay(user_agent) or 0.0, rate.seconds / rate.requests if rate else 0.0)
        return Robots(user_agent, rules, "", max(delays), tuple(dict.fromkeys(rules.sitemaps)))
    is_absent = 400 <= status < 500 and status != 429
    reason = body.decode() if status == 0 else ""
    refusal = "" if is_absent else reason if reason in NO_HOST else "robots_unreachable"
    return Robots(user_agent, None, refusal, 0.0, ())


def read_sitemap(body: bytes, coding: str) -> tuple[Urls, Urls]:
    """The pages and the sitemaps that a sitemap, a sitemap index, or a text file of URLs lists, packed or not.

    What is none of these lists nothing.
    """
    try:
        body = decode_payload(body, coding, SITEMAP_BYTES)
        if body.startswith(b"\x1f\x8b"):
            body = decode_payload(body, "gzip", SITEMAP_BYTES)
    except PayloadError:
        return (), ()
    if not body.lstrip().startswith((b"<", b"\xef\xbb\xbf<")):
        lines = body.decode("utf-8-sig", "replace").split()
        return tuple(line for line in lines if line.startswith(("http://", "https://"))), ()
    try:
        sitemap = Sitemap(body)
        found = tuple(dict.fromkeys(entry["loc"] for entry in sitemap if entry["loc"]))
    except (etree.XMLSyntaxError, StopIteration):
        return (), ()
    return found if sitemap.type == "urlset" else (), found if sitemap.type == "sitemapindex" else ()
