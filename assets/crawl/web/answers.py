"""HTTP semantics of the web: one request in, one answer out, no sockets."""

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from html import escape
from http import HTTPStatus
from urllib.parse import quote, unquote

from assets.crawl.web.editions import day_of
from assets.crawl.web.pages import Page, PageKind
from assets.crawl.web.rendering import Answer, render, whole_answer
from assets.crawl.web.site import CALENDAR, CALENDAR_RANK, Site

RETRY_AFTER_S = 2
SITEMAP_URLS = 100
SITEMAP_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
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


class Answers:
    """Answers requests for every host of a web.

    `clock` counts seconds; it decides only when the busy page has rested for its Retry-After.
    """

    def __init__(self, sites: Mapping[str, Site], clock: Callable[[], float]):
        self.sites, self.clock = sites, clock
        self._rests_until: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to a request: 200, 301, 302, 304, 400, 404, 405, 429 or 503."""
        if request.method not in ("GET", "HEAD"):
            return _short(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))
        path = quote(unquote(request.target.partition("?")[0]), safe="/-_.~#")
        site = self.sites.get(request.host)
        if site is None or not path.startswith("/"):
            return _short(HTTPStatus.NOT_FOUND if request.host else HTTPStatus.BAD_REQUEST)
        page = _page_at(site, path)
        if page is None:
            found = _file(site, path)
            return _conditional(found, request) if found is not None else _short(HTTPStatus.NOT_FOUND)
        if page.kind is PageKind.MOVED:
            status = HTTPStatus.FOUND if len(page.path) % 2 else HTTPStatus.MOVED_PERMANENTLY
            return _short(status, ("Location", f"http://{site.host}{page.of}"))
        if page.kind is PageKind.BUSY and (refusal := self._refuse(site)):
            return refusal
        return _conditional(render(site, page), request)

    def _refuse(self, site: Site) -> Answer | None:
        """The busy page says 429 once, 503 to whoever does not wait, and then answers."""
        now, status = self.clock(), HTTPStatus.SERVICE_UNAVAILABLE
        if site.host not in self._rests_until:
            self._rests_until[site.host] = now + RETRY_AFTER_S
            status = HTTPStatus.TOO_MANY_REQUESTS
        if now < self._rests_until[site.host]:
            return _short(status, ("Retry-After", str(RETRY_AFTER_S)))
        return None


def _page_at(site: Site, path: str) -> Page | None:
    if site.place.rank == CALENDAR_RANK and _CALENDAR.fullmatch(path):
        return replace(site.pages[CALENDAR], path=path)
    return site.pages.get(path)


def _file(site: Site, path: str) -> Answer | None:
    files = {"/robots.txt": robots_txt(site), **sitemaps(site)}
    if path not in files:
        return None
    kind = "application/xml" if path.endswith(".xml") else "text/plain; charset=utf-8"
    return whole_answer(files[path].encode(), [("Content-Type", kind)], site.edition)


def _conditional(found: Answer, request: Request) -> Answer:
    """304 where the client's copy is current (RFC 9110, section 13: If-None-Match goes before If-Modified-Since)."""
    headers = dict(found.headers)
    tags = request.headers.get("if-none-match")
    if tags is not None:
        known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        is_current = "*" in known or headers["ETag"] in known
    else:
        is_current = _is_not_modified(headers["Last-Modified"], request.headers.get("if-modified-since", ""))
    if is_current:
        kept = ("ETag", "Last-Modified", "Cache-Control")
        return Answer(HTTPStatus.NOT_MODIFIED, tuple((name, headers[name]) for name in kept))
    if "gzip" in request.headers.get("accept-encoding", "") and len(found.body) > 500:
        packed = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        return Answer(found.status, (*found.headers, *packed), gzip.compress(found.body, 5, mtime=0))
    return found


def _is_not_modified(last_modified: str, since: str) -> bool:
    try:
        return parsedate_to_datetime(last_modified) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):  # no date, or one without a zone: the header is ignored
        return False


def _short(status: HTTPStatus, *headers: tuple[str, str]) -> Answer:
    body = f"<html><head><title>{status.value} {status.phrase}</title></head><body>{status.phrase}</body></html>\n"
    return Answer(status.value, (("Content-Type", "text/html; charset=utf-8"), *headers), body.encode())


def robots_txt(site: Site) -> str:
    """The host's rules: a folder, two wildcard patterns, a crawler that is not welcome, the sitemap."""
    delay = f"Crawl-delay: {site.config.crawl_delay_s:g}\n" if site.host == site.config.crawl_delay_host else ""
    return (
        "# Please be kind to this server.\nUser-agent: *\nDisallow: /internal/\nDisallow: /*?print=\n"
        f"Disallow: /*.bak$\n{delay}\nUser-agent: BadBot\nDisallow: /\n\nSitemap: http://{site.host}/sitemap.xml\n"
    )


def sitemaps(site: Site) -> dict[str, str]:
    """The host's sitemap files by path; a host of more than 100 pages has an index and numbered parts."""
    listed = sorted((page.path, day_of(page.changed)) for page in site.pages.values() if page.is_listed)
    entries = [(f"http://{site.host}{path}", day.isoformat()) for path, day in listed]
    if len(entries) <= SITEMAP_URLS:
        return {"/sitemap.xml": _xml("urlset", "url", entries)}
    parts = [entries[start : start + SITEMAP_URLS] for start in range(0, len(entries), SITEMAP_URLS)]
    files = {f"/sitemap-{number}.xml": _xml("urlset", "url", part) for number, part in enumerate(parts, start=1)}
    newest = [max(day for _, day in part) for part in parts]
    index = [(f"http://{site.host}{path}", day) for path, day in zip(files, newest, strict=True)]
    return {"/sitemap.xml": _xml("sitemapindex", "sitemap", index), **files}


def _xml(root: str, element: str, entries: list[tuple[str, str]]) -> str:
    rows = "\n".join(
        f"  <{element}><loc>{escape(address)}</loc><lastmod>{day}</lastmod></{element}>" for address, day in entries
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{SITEMAP_NAMESPACE}">\n{rows}\n</{root}>\n'
