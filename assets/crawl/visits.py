"""What follows from an answer: a WARC record, an entry in the ledger, and the pages that it leads to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assets.crawl import archive
from assets.crawl.archive import Archive, Place
from assets.crawl.config import CrawlConfig
from assets.crawl.earlier import Earlier, EarlierSnapshot
from assets.crawl.ledger import Found, Kept, Ledger, Round
from assets.crawl.pages import PayloadError, decode_payload, header_directives, opt_out, read_page
from assets.crawl.transport import Answer, Failure
from assets.crawl.urls import LinkBases, Scope, canonical_url, host_of

LINK_CACHE = 100_000


class Visits:
    """Enters answers in the ledger: every page ends there, once, as kept or with the reason why not."""

    def __init__(
        self,
        config: CrawlConfig,
        scope: Scope,
        snapshot: str,
        ledger: Ledger,
        archive: Archive,
        earlier: EarlierSnapshot,
    ):
        self.config, self.snapshot = config, snapshot
        self.ledger, self.archive, self.earlier = ledger, archive, earlier

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
            self._enter_unchanged(url, answer, earlier, due)
        elif answer.status == 200:
            self._enter_page(url, answer, earlier, due)
        else:
            self._drop(url, f"http_{answer.status}")

    def _enter_redirect(self, url: str, location: str, due: Round, hops: int) -> None:
        target = canonical_url(location, self.config.session_parameters, url) if location else None
        if target is None:
            self._drop(url, "redirect_invalid")
            return
        target = target[: self.config.limits.url_length + 1]
        with self.ledger.transaction():
            self.ledger.drop(url, "redirect", [target])
            self.ledger.add([Found(target, Round(due.depth, due.step + 1), hops + 1)])

    def _enter_unchanged(self, url: str, answer: Answer, earlier: Earlier, due: Round) -> None:
        links = list(self.found(earlier.links.split("\n"), url, Round(due.depth + 1, 0)))
        reason = self._opt_out(answer)
        self._keep(url, answer, reason, earlier.payload_sha256, None, earlier, links)

    def _enter_page(self, url: str, answer: Answer, earlier: Earlier | None, due: Round) -> None:
        if answer.media_type not in self.config.content_types:
            self._drop(url, "content_type")
            return
        try:
            coding = answer.header("Content-Encoding").strip().lower()
            payload = decode_payload(answer.body, coding, self.config.limits.size_bytes)
        except PayloadError as error:
            self._drop(url, error.reason)
            return
        page = read_page(payload, answer.header("Content-Type"), url, self.config.user_agent)
        directives = page.robots | self._directives(answer)
        links = () if {"nofollow", "none"} & directives else page.links
        found = sorted(set(self.found(links, page.base, Round(due.depth + 1, 0))))
        reason = self._opt_out(answer, page.robots, page.is_tdm_reserved)
        sha256 = hashlib.sha256(payload).hexdigest()
        same = earlier if earlier is not None and earlier.payload_sha256 == sha256 else None
        self._keep(url, answer, reason, sha256, payload, same, found)

    def _keep(
        self,
        url: str,
        answer: Answer,
        reason: str,
        sha256: str,
        payload: bytes | None,
        same: Earlier | None,
        found: list[Found],
    ) -> None:
        """Write the record and enter the page with its links; opted out (`reason`), only its links are followed."""
        self.archive.roll()
        targets = [each.url for each in found]
        kept = None
        if not reason:
            if same is not None:
                date = self.earlier.date_of(same)
                record = archive.revisit(url, self.snapshot, answer.status, answer.headers, sha256, date)
            else:
                assert payload is not None
                record = archive.response(url, self.snapshot, answer.status, answer.headers, payload, sha256, None)
            kept = self._kept(url, answer, sha256, payload, same, self.archive.append(record))
        with self.ledger.transaction():
            self.ledger.add(found)
            if kept is None:
                self.ledger.drop(url, reason)
            else:
                self.ledger.keep(kept, targets)

    @staticmethod
    def _kept(url: str, answer: Answer, sha256: str, payload: bytes | None, same: Earlier | None, place: Place) -> Kept:
        return Kept(
            url=url,
            kind="revisit" if same else "response",
            status=answer.status,
            content_type=answer.header("Content-Type") or (same.content_type if same else ""),
            payload_sha256=sha256,
            etag=answer.header("ETag") or (same.etag if same else ""),
            last_modified=answer.header("Last-Modified") or (same.last_modified if same else ""),
            file=place.file,
            offset=place.offset,
            length=place.length,
            size_bytes=len(payload or b""),
        )

    def _directives(self, answer: Answer) -> frozenset[str]:
        return header_directives(answer.header("X-Robots-Tag"), self.config.user_agent)

    def _opt_out(self, answer: Answer, robots: Iterable[str] = (), is_tdm_reserved: bool = False) -> str:
        return opt_out(
            {*robots, *self._directives(answer)},
            tdm_header=answer.header("tdm-reservation"),
            is_tdm_reserved=is_tdm_reserved,
            honoured=self.config.opt_outs,
        )

    def _drop(self, url: str, reason: str) -> None:
        with self.ledger.transaction():
            self.ledger.drop(url, reason)
