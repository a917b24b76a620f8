"""What follows from an answer: a WARC record, an entry in the ledger, and the pages that it leads to."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import urljoin

from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.index import EarlierSnapshot
from assets.crawl.ledger import Ledger
from assets.crawl.pages import PayloadError, decode_payload, media_type, opt_out, read_page
from assets.crawl.records import Record
from assets.crawl.transport import Answer
from assets.crawl.urls import Scope, canonical_url, host_of

LINK_CACHE = 100_000


class Visits:
    """Enters answers in the ledger: every page ends there, once, as kept or with the reason why not."""

    def __init__(self, config: CrawlConfig, scope: Scope, ledger: Ledger, archive: Archive, earlier: EarlierSnapshot):
        self.config, self.scope, self.ledger, self.archive, self.earlier = config, scope, ledger, archive, earlier
        self._known = lru_cache(LINK_CACHE)(self._target)

    def in_scope(self, links: Iterable[str], base: str) -> Iterator[str]:
        """What links lead to; those to sites elsewhere are not considered."""
        top, folder = urljoin(base, "/"), urljoin(base, ".")
        for link in links:
            # The host or the folder decides what most links mean, so that the pages in it share one look-up.
            if link.startswith(("/", "http://", "https://")):
                url = self._known(link, top)
            else:
                url = self._known(link, folder if link[:1].isalnum() or link.startswith(".") else base)
            if url is not None:
                yield url

    def _target(self, link: str, base: str) -> str | None:
        url = self._canonical(link, base)
        return url if url and self.scope.covers(host_of(url)) else None

    def enter(self, url: str, answer: Answer, depth: int, hops: int) -> None:
        """Settle what becomes of a page that was asked for."""
        self.archive.roll()
        with self.ledger.db:
            if answer.is_redirect:
                self._enter_redirect(url, answer.header("Location"), depth, hops)
            elif reason := self._enter_page(url, answer, depth):
                self.ledger.drop(url, reason)

    def _enter_redirect(self, url: str, location: str, depth: int, hops: int) -> None:
        target = self._canonical(location, url) if location else None
        if target is None:
            self.ledger.drop(url, "redirect_invalid")
        else:
            self.ledger.drop(url, "redirect", [target])
            self.ledger.add([target], depth, hops + 1)

    def _enter_page(self, url: str, answer: Answer, depth: int) -> str:
        """Enter a page with its links and its record, or say why not; opted out, only its links are followed."""
        earlier, payload = self.earlier.page(url), b""
        is_same = answer.status == 304 and earlier is not None
        content_type = answer.header("Content-Type")
        if answer.failure:
            return answer.failure
        if not is_same and answer.status != 200:
            return f"http_{answer.status}"
        if not is_same and media_type(content_type) not in self.config.content_types:
            return "content_type"
        try:
            payload = b"" if is_same else decode_payload(answer.body, answer.coding, self.config.limits.size_bytes)
        except PayloadError as error:
            return error.reason
        page = read_page(payload, content_type, url, self.config.user_agent, answer.headers)
        links, base = (earlier.links, url) if is_same and earlier else (page.links, page.base)
        targets = sorted(set(self.in_scope(links, base)))
        self.ledger.add(targets, depth + 1)
        if reason := opt_out(page, self.config.opt_outs):
            return reason
        sha256 = hashlib.sha256(payload).hexdigest()
        if earlier is not None and (is_same or earlier.capture.payload_sha256 == sha256):
            date = self.earlier.date_of(earlier.capture)
            capture = self.archive.revisit(url, answer.status, answer.headers, earlier.capture, date)
        else:
            record = Record("response", url, content_type, payload, answer.status, answer.headers)
            capture = self.archive.keep(url, record, sha256)
        self.ledger.keep(capture, len(payload), targets)
        return ""

    def _canonical(self, link: str, base: str) -> str | None:
        """A link's URL; longer than may be, it is kept just long enough to be refused for that."""
        url = canonical_url(link, self.config.session_parameters, base)
        return url and url[: self.config.limits.url_length + 1]
