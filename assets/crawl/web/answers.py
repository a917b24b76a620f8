"""HTTP semantics of the web: one request in, one answer out, no sockets."""

from __future__ import annotations

import gzip
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote, unquote

from assets.crawl.web.directory import robots_txt, sitemaps
from assets.crawl.web.pages import Page, PageKind
from assets.crawl.web.rendering import Rendered, etag_of, http_date, render
from assets.crawl.web.site import CALENDAR, CALENDAR_RANK, Site

CACHE_BYTES = 64 * 2**20
RETRY_AFTER_S = 2
_CALENDAR = re.compile(r"/calendar/(\d{4})/(0[1-9]|1[0-2])/")


@dataclass(frozen=True, slots=True)
class Request:
    """What the client sent: `target` is the raw request target, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.headers.get("host", "").partition(":")[0].lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, and the body that a GET gets."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Answers:
    """Answers requests for every host of a web; rendered pages are kept up to 64 MB.

    `clock` counts seconds; it decides only when the busy page has rested for its Retry-After.
    """

    def __init__(self, sites: Mapping[str, Site], clock: Callable[[], float]):
        self.sites, self.clock = sites, clock
        self._rendered: OrderedDict[tuple[str, str], Rendered] = OrderedDict()
        self._rendered_bytes = 0
        self._rests_until: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to a request: 200, 301, 304, 400, 404, 405, 429 or 503."""
        if request.method not in ("GET", "HEAD"):
            return _short(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))
        path = quote(unquote(request.target.partition("?")[0]), safe="/-_.~#")
        site = self.sites.get(request.host)
        if site is None or not path.startswith("/"):
            return _short(HTTPStatus.NOT_FOUND if request.host else HTTPStatus.BAD_REQUEST)
        page = _page_at(site, path)
        if page is not None and page.kind is PageKind.MOVED:
            status = HTTPStatus.FOUND if len(page.path) % 2 else HTTPStatus.MOVED_PERMANENTLY
            return _short(status, ("Location", f"http://{site.host}{page.of}"))
        if page is not None and page.kind is PageKind.BUSY and (refusal := self._refuse(site)):
            return refusal
        found = self._page(site, page) if page is not None else self._file(site, path)
        return _conditional(found, request) if found is not None else _short(HTTPStatus.NOT_FOUND)

    def _refuse(self, site: Site) -> Answer | None:
        """The busy page says 429 once, 503 to whoever does not wait, and then answers."""
        now, status = self.clock(), HTTPStatus.SERVICE_UNAVAILABLE
        if site.host not in self._rests_until:
            self._rests_until[site.host] = now + RETRY_AFTER_S
            status = HTTPStatus.TOO_MANY_REQUESTS
        if now < self._rests_until[site.host]:
            return _short(status, ("Retry-After", str(RETRY_AFTER_S)))
        return None

    def _page(self, site: Site, page: Page) -> Rendered:
        key = (site.host, page.path)
        if key in self._rendered:
            self._rendered.move_to_end(key)
            return self._rendered[key]
        rendered = self._rendered[key] = render(site, page)
        self._rendered_bytes += len(rendered.body)
        while self._rendered_bytes > CACHE_BYTES:
            _, oldest = self._rendered.popitem(last=False)
            self._rendered_bytes -= len(oldest.body)
        return rendered

    def _file(self, site: Site, path: str) -> Rendered | None:
        if path == "/robots.txt":
            text, kind = robots_txt(site), "text/plain; charset=utf-8"
        elif path.startswith("/sitemap") and (files := sitemaps(site)) and path in files:
            text, kind = files[path], "application/xml"
        elif path == "/_static/basic.css":
            text, kind = "body { font-family: sans-serif; max-width: 60em; }\n", "text/css"
        else:
            return None
        body = text.encode()
        return Rendered(body, (("Content-Type", kind),), etag_of(body), http_date(site.edition))


def _page_at(site: Site, path: str) -> Page | None:
    month = _CALENDAR.fullmatch(path)
    if month and site.place.rank == CALENDAR_RANK:
        return replace(site.pages[CALENDAR], path=path)
    return site.pages.get(path)


def _conditional(found: Rendered, request: Request) -> Answer:
    """304 where the client's copy is current (RFC 9110, section 13: If-None-Match goes before If-Modified-Since)."""
    validators = (("ETag", found.etag), ("Last-Modified", found.last_modified), ("Cache-Control", "max-age=0"))
    tags = request.headers.get("if-none-match")
    if tags is not None:
        is_current = tags.strip() == "*" or found.etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    else:
        is_current = _is_not_modified(found.last_modified, request.headers.get("if-modified-since"))
    if is_current:
        return Answer(HTTPStatus.NOT_MODIFIED, validators)
    headers, body = (*found.headers, *validators), found.body
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 500:
        body = gzip.compress(body, 5, mtime=0)
        headers = (*headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return Answer(HTTPStatus.OK, headers, body)


def _is_not_modified(last_modified: str, since: str | None) -> bool:
    if since is None:
        return False
    try:
        return parsedate_to_datetime(last_modified) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):  # no date, or one without a zone: the header is ignored
        return False


def _short(status: HTTPStatus, *headers: tuple[str, str]) -> Answer:
    body = f"<html><head><title>{status.value} {status.phrase}</title></head><body>{status.phrase}</body></html>\n"
    return Answer(status.value, (("Content-Type", "text/html; charset=utf-8"), *headers), body.encode())
