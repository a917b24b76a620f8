"""The crawl's part of the spec: the source, how politely it is fetched, and where a crawl ends."""

import re
from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, model_validator

from assets.config import Config
from assets.crawl.sources import LoopbackSource, SiteSource, Source

OptOut = Literal["noai", "tdm_reservation"]
_TOKEN = re.compile(r"[A-Za-z_-]+")
_ENDPOINT = re.compile(r"(.+):(\d+)")


class Limits(Config):
    """Where a crawl ends, however endless the web is."""

    depth: int = Field(default=16, ge=0)
    """Most links between a seed (or a sitemap's entry) and a page."""

    pages: int = Field(default=1_000_000, ge=1)
    """Most pages that a crawl asks for; beyond it an even sample stays, chosen by a hash of the URL at each depth."""

    pages_per_host: int = Field(default=100_000, ge=1)
    """Most pages that a host is asked for, chosen as for `pages`."""

    size_bytes: int = Field(default=8_000_000, ge=1)
    """Largest page in bytes, on the wire and unpacked; the transfer of a larger one is cut off."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Longest time for one request, from connecting to the last byte, in seconds."""

    redirects: int = Field(default=5, ge=0)
    """Most redirects that lead to a page one after another."""

    url_length: int = Field(default=2000, ge=16)
    """Longest URL in characters."""

    repetition: int = Field(default=3, ge=1)
    """Most times that one path segment or query parameter may occur in a URL before it counts as a trap."""

    queries_per_path: int = Field(default=1000, ge=1)
    """Most query strings that one path is asked for (a calendar has no end), chosen as for `pages`."""

    sitemaps_per_host: int = Field(default=200, ge=0)
    """Most sitemap files that are read from one origin."""

    crawl_delay_s: float = Field(default=60.0, gt=0)
    """Longest delay that a robots.txt may ask for, in seconds; a host that asks for more is not crawled."""

    patience_s: float = Field(default=300.0, ge=0)
    """Longest Retry-After or back-off that is waited out, in seconds; a host that asks for more is given up."""

    failures_per_host: int = Field(default=20, ge=1)
    """Pages of a host that fail one after another (timeout, refused connection, 429, 5xx) before it is given up."""


class CrawlConfig(Config):
    """A crawl of one snapshot."""

    source: Source = LoopbackSource()
    """Where the pages come from, chosen by its `kind`."""

    limits: Limits = Limits()
    """Where the crawl ends."""

    delay_s: float = Field(default=1.0, ge=0)
    """Least time between the end of one request to a host and the start of the next, in seconds."""

    concurrency: int = Field(default=32, ge=1)
    """Most requests under way at once, over all hosts; a host never has more than one."""

    retries: int = Field(default=2, ge=0)
    """Times that a page is asked for again after a timeout, a broken connection, 429 or 5xx."""

    back_off_s: float = Field(default=1.0, ge=0)
    """Pause of a host after a failed request, in seconds; doubled at each retry, and never shorter than Retry-After."""

    user_agent: str = "Tidemill"
    """Product token that the crawler names itself with, and that robots.txt groups are matched against."""

    contact: str | None = None
    """URL or e-mail address of whoever runs the crawl, sent with every request; only the loopback web needs none."""

    allow_addresses: tuple[str, ...] = ()
    """Networks, such as 10.0.0.0/8, that may be contacted though they are private, loopback or link-local."""

    connect_to: dict[str, str] = Field(default={}, exclude=True)
    """Where connections for a "host:port" really go, as "address:port" (curl's --connect-to); not part of the key."""

    content_types: tuple[str, ...] = ("text/html", "application/xhtml+xml", "text/plain")
    """Media types that are kept."""

    session_parameters: tuple[str, ...] = ("jsessionid", "phpsessid", "aspsessionid", "session_id", "sessionid", "sid")
    """Query and path parameters that name a session, and are dropped from every URL; case does not matter."""

    opt_outs: frozenset[OptOut] = frozenset({"noai", "tdm_reservation"})
    """Opt-outs that keep a page's text out: `noai` (robots meta, X-Robots-Tag) and TDM-Reservation (meta, header)."""

    warc_bytes: int = Field(default=1_000_000_000, ge=1)
    """Size at which a WARC file is closed and the next one begun, in bytes."""

    shards: int = Field(default=8, ge=1, le=99_999)
    """Shards that pages are spread over by a hash of their URL, here and in every later stage."""

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        for network in self.allow_addresses:
            ip_network(network)
        if not _TOKEN.fullmatch(self.user_agent):
            raise ValueError(f"user_agent: {self.user_agent!r} is no product token of RFC 9309; use letters, '-', '_'")
        if not (self.contact or "").isascii() or not (self.contact or "").isprintable():
            raise ValueError(f"contact: {self.contact!r} cannot be sent in a header; use printable ASCII")
        for pair in self.connect_to.items():
            if not all(map(_ENDPOINT.fullmatch, pair)):
                raise ValueError(f"connect_to: {pair[0]}: {pair[1]} must read host:port: address:port")
        if isinstance(self.source, SiteSource) and not self.contact:
            raise ValueError("contact: give a URL or e-mail address where the crawled sites can reach you")
        return self

    @property
    def user_agent_header(self) -> str:
        """The User-Agent that every request carries."""
        return f"{self.user_agent}/1.0 (+{self.contact})" if self.contact else f"{self.user_agent}/1.0"
