"""The web on loopback: what it answers to a request, and the HTTP/1.1 server that says so."""

import gzip
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from assets.crawl.web.config import WebConfig
from assets.crawl.web.editions import day_of
from assets.crawl.web.rendering import Answer, render, whole_answer
from assets.crawl.web.site import CALENDAR, CALENDAR_RANK, UNLISTED, Page, PageKind, Site, build_web

LOOPBACK = "127.0.0.1"
RETRY_AFTER_S = 2
_CALENDAR = re.compile(r"/calendar/(\d{4})/(0[1-9]|1[0-2])/")


class Answers:
    """Answers requests for every host of a web; the busy page of a host has an answer from the second request on."""

    def __init__(self, sites: Mapping[str, Site]):
        self.sites = sites
        self._refused: set[str] = set()

    def answer(self, target: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a request for a raw target; the names of `headers` are in lower case."""
        path = quote(unquote(target.partition("?")[0]), safe="/-_.~#")
        site = self.sites.get(headers.get("host", "").partition(":")[0].lower())
        if site is None:
            return _short(HTTPStatus.NOT_FOUND)
        page = _page_at(site, path)
        if page is None:
            found = _file(site, path)
            return _conditional(found, headers) if found is not None else _short(HTTPStatus.NOT_FOUND)
        if page.kind is PageKind.MOVED:
            status = HTTPStatus.FOUND if len(page.path) % 2 else HTTPStatus.MOVED_PERMANENTLY
            return _short(status, ("Location", f"http://{site.host}{page.of}"))
        if page.kind is PageKind.BUSY and site.host not in self._refused:
            self._refused.add(site.host)
            return _short(HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", str(RETRY_AFTER_S)))
        return _conditional(render(site, page), headers)


def _page_at(site: Site, path: str) -> Page | None:
    if site.place.rank == CALENDAR_RANK and _CALENDAR.fullmatch(path):
        return replace(site.pages[CALENDAR], path=path)
    return site.pages.get(path)


def _file(site: Site, path: str) -> Answer | None:
    if path == "/robots.txt":
        return whole_answer(robots_txt(site).encode(), [("Content-Type", "text/plain; charset=utf-8")], site.edition)
    if path == "/sitemap.xml":
        return whole_answer(sitemap_xml(site).encode(), [("Content-Type", "application/xml")], site.edition)
    return None


def _conditional(found: Answer, asked: Mapping[str, str]) -> Answer:
    """304 where the client's copy is this one: the same tag or, where it sends none, the same date; else packed."""
    headers = dict(found.headers)
    name, validator = ("if-none-match", "ETag") if "if-none-match" in asked else ("if-modified-since", "Last-Modified")
    if asked.get(name) == headers[validator]:
        kept = ("ETag", "Last-Modified", "Cache-Control")
        return Answer(HTTPStatus.NOT_MODIFIED, tuple((name, headers[name]) for name in kept))
    if "gzip" in asked.get("accept-encoding", "") and len(found.body) > 500:
        packed = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        return Answer(found.status, (*found.headers, *packed), gzip.compress(found.body, 5, mtime=0))
    return found


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


def sitemap_xml(site: Site) -> str:
    """The host's sitemap: its pages that robots.txt allows, with the day that last changed each."""
    listed = sorted((page.path, day_of(page.changed)) for page in site.pages.values() if page.kind not in UNLISTED)
    rows = "".join(
        f"  <url><loc>{escape(f'http://{site.host}{path}')}</loc><lastmod>{day}</lastmod></url>\n"
        for path, day in listed
    )
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{namespace}">\n{rows}</urlset>\n'


class ServedWeb(NamedTuple):
    """Where the web is reached: every host of `hosts` at this address, by its Host header."""

    address: str
    port: int
    hosts: tuple[str, ...]


class _Server(ThreadingTCPServer):
    """A thread for each connection, one answer at a time."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, answers: Answers):
        super().__init__((LOOPBACK, 0), _Connection)
        self.answers, self.turn = answers, threading.Lock()


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        with self.server.turn:
            answer = self.server.answers.answer(
                self.path, {name.lower(): value for name, value in self.headers.items()}
            )
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *words: Any) -> None:
        """Say nothing: what a crawl was answered is in its records."""


@contextmanager
def serve_web(config: WebConfig, edition: int, workers: int = 1) -> Iterator[ServedWeb]:
    """Serve an edition of the web from a thread for as long as the block runs; `workers` processes read the packages.

    Raises SpecError if the config names what is not installed.
    """
    sites = build_web(config, edition, workers)
    with _Server(Answers(sites)) as server:
        thread = threading.Thread(target=server.serve_forever, name="tidemill-web", daemon=True)
        thread.start()
        try:
            yield ServedWeb(LOOPBACK, server.server_address[1], tuple(sorted(sites)))
        finally:
            server.shutdown()
            thread.join()
