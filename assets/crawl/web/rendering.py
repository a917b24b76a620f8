"""Pages as answers: content put into the host's template, encoded as the host encodes, with its headers."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime
from http import HTTPStatus

from markupsafe import Markup

from assets.crawl.web.content import make_content, templates
from assets.crawl.web.editions import day_of
from assets.crawl.web.site import Page, PageKind, Site

NAVIGATION = 12  # modules that a page's navigation shows
_SPDX_ID = re.compile(r"^[A-Za-z0-9.+-]+$")
_FOOTER = {PageKind.SPAM: "Tag", PageKind.MACHINE_MADE: "Notes", PageKind.CALENDAR: "Events", PageKind.BUSY: "Load"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, and the body that a GET gets."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def render(site: Site, page: Page) -> Answer:
    """Render one page; the same page gives the same bytes, always."""
    # A copy is its original byte for byte, addresses included, as servers do that answer under two names.
    path = page.of if page.kind is PageKind.DUPLICATE else page.path

    def link(target: str) -> str:
        return site.theme.link(site.host, path, target)

    html, description = make_content(site, page, link)
    package, encoding = site.package, site.theme.encoding
    related = site.neighbours_of(page) if page.draft is not None and page.kind is not PageKind.INDEX else []
    footer = [("License", "/license.html"), ("Contact", "/about/contact.html"), ("Archive", "/archive.html")]
    footer += [(_FOOTER[p.kind], p.path) for p in site.pages.values() if p.kind in _FOOTER]
    text = (
        templates()
        .get_template(site.theme.template)
        .render(
            site=site,
            package=package,
            page=page,
            path=path,
            title=page.name.replace("#", " part "),
            description=description,
            content=Markup(html),
            home=link("/"),
            module_href=link(site.index_paths[page.module]) if page.module else "",
            navigation=[(module, link(site.index_paths[module])) for module in site.modules[:NAVIGATION]],
            related=[(name.replace("#", " part "), link(site.paths[name])) for name in related],
            footer=[(label, link(target)) for label, target in footer],
            license_href=_license_address(package.license, link("/license.html")),
            day=day_of(page.changed).isoformat(),
            session=hashlib.blake2b(f"{site.host}{path}".encode(), digest_size=8).hexdigest(),
        )
    )
    headers = [("Content-Type", "text/html" + (f"; charset={encoding}" if site.theme.in_header else ""))]
    if page.kind is PageKind.NOAI_HEADER:
        headers.append(("X-Robots-Tag", "noai, noimageai"))
    elif page.kind is PageKind.TDM_RESERVED:
        headers += [("TDM-Reservation", "1"), ("TDM-Policy", f"http://{site.host}/license.html")]
    return whole_answer(text.encode(encoding, errors="xmlcharrefreplace"), headers, page.changed)


def whole_answer(body: bytes, headers: Sequence[tuple[str, str]], edition: int) -> Answer:
    """A 200 with what a client may ask again by: the hash of the bytes and the edition's date (RFC 9110, 8.8)."""
    changed = datetime.combine(day_of(edition), time(6, 30), UTC)
    validators = (
        ("ETag", f'"{hashlib.blake2b(body, digest_size=10).hexdigest()}"'),
        ("Last-Modified", format_datetime(changed, usegmt=True)),
        ("Cache-Control", "max-age=0"),
    )
    return Answer(HTTPStatus.OK, (*headers, *validators), body)


def _license_address(license_name: str, page: str) -> str:
    """SPDX's page for a single identifier; the host's own for anything else."""
    return f"https://spdx.org/licenses/{license_name}.html" if _SPDX_ID.match(license_name) else page
