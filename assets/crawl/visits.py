"""What follows from an answer: a WARC record, an entry in the ledger, and the pages that it leads to."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assets.crawl.archive import Archive
from assets.crawl.config import CrawlConfig
from assets.crawl.earlier import Earlier, EarlierSnapshot
from assets.crawl.ledger import Found, Ledger, Round
from assets.crawl.pages import PayloadError, decode_payload, opt_out, read_page
from assets.crawl.records import Record
from assets.crawl.transport import Answer, Failure
from assets.crawl.urls import LinkBases, Scope, canonical_url, host_of

LINK_CACHE = 100_000


class Visits:
    """Enters answers in the ledger: every page ends there, once, as kept or with the reason why not."""

    def __init__(self, config: CrawlConfig, scope: Scope, ledger: Ledger, archive: Archive, earlier: EarlierSnapshot):
        self.config, self.ledger, self.archive, self.earlier = config, ledger, archive, earlier

        @lru_cache(LINK_CACHE)
        def in_scope(link: str, base: str) -> str | None:
            url = canonical_url(link, config.session_parameters, base)
            # Longer than may be, a URL is kept just long enough to be refused for that.
            return url[: config.limits.url_length + 1] if url and scope.covers(host_of(url)) else None

        self._in_scope = in_scope

    def conditions(self, url: str) -> dict[str, str]:
        """Headers that ask for the page only if it is not as the snapshot before saw it."""
        page = self.earlier.page(url)
        return page.conditions() if page else {}

    def found(self, links: Iterable[str], base: str, due: Round) -> Iterator[Found]:
        """The links that are in scope; links elsewhere are not considered."""
        bases = LinkBases(base)
        for link in links:
            url = self._in_scope(link, bases.of(link))
            if url is not None:
                yield Found(url, due)

    def enter(self, url: str, answer: Answer | Failure, due: Round, hops: int) -> None:
        """Settle what becomes of a page that was asked for in round `due`."""
        earlier = self.earlier.page(url)
        if isinstance(answer, Failure):
            self._drop(url, answer.reason)
        elif answer.is_redirect:
            self._enter_redirect(url, answer.header("Location"), due, hops)
        elif answer.status == 304 and earlier is not None:
            self._enter_page(url, answer, None, earlier, due)
        elif answer.status != 200:
            self._drop(url, f"http_{answer.status}")
        elif answer.media_type not in self.config.content_types:
            self._drop(url, "content_type")
        else:
            try:
                payload = decode_payload(answer.body, answer.coding, self.config.limits.size_bytes)
            except PayloadError as error:
                self._drop(url, error.reason)
            else:
                self._enter_page(url, answer, payload, earlier, due)

    def _enter_redirect(self, url: str, location: str, due: Round, hops: int) -> None:
        target = canonical_url(location, self.config.session_parameters, url) if location else None
        if target is None:
            self._drop(url, "redirect_invalid")
            return
        target = target[: self.config.limits.url_length + 1]
        with self.ledger.transaction():
            self.ledger.drop(url, "redirect", [target])
            self.ledger.add([Found(target, Round(due.depth, due.step + 1), hops + 1)])

    def _enter_page(self, url: str, answer: Answer, payload: bytes | None, earlier: Earlier | None, due: Round) -> None:
        """Write the record and enter the page with its links; opted out, only its links are followed.

        `payload` is None for a 304, whose page is as `earlier` has it.
        """
        content_type = answer.header("Content-Type")
        page = read_page(payload or b"", content_type, url, self.config.user_agent, answer.headers)
        links, base = (page.links, page.base) if payload is not None or earlier is None else (earlier.links, url)
        found = sorted(set(self.found(links, base, Round(due.depth + 1, 0))))
        self.archive.roll()
        capture = None
        reason = opt_out(page, self.config.opt_outs)
        sha256 = hashlib.sha256(payload or b"").hexdigest()
        if not reason:
            if earlier is not None and (payload is None or earlier.capture.payload_sha256 == sha256):
                date = self.earlier.date_of(earlier.capture)
                capture = self.archive.revisit(url, answer.status, answer.headers, earlier.capture, date)
            else:
                record = Record("response", url, content_type, payload or b"", answer.status, answer.headers)
                capture = self.archive.keep(url, record, sha256)
        with self.ledger.transaction():
            self.ledger.add(found)
            if capture is None:
                self.ledger.drop(url, reason)
            else:
                self.ledger.keep(capture, len(payload or b""), [each.url for each in found])

    def _drop(self, url: str, reason: str) -> None:
        with self.ledger.transaction():
            self.ledger.drop(url, reason)
