"""Pages as bytes: content put into the host's template and encoded as the host encodes."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.crawl.web.content import extra_links, make_content
from assets.crawl.web.editions import day_of
from assets.crawl.web.pages import Page, PageKind
from assets.crawl.web.site import NAVIGATION, Site

_SPDX_ID = re.compile(r"^[A-Za-z0-9.+-]+$")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as it goes over the wire: body and the headers that belong to it."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    etag: str
    last_modified: str


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(site: Site, page: Page) -> Rendered:
    """Render one page; the same page gives the same bytes, always."""
    # A copy is its original byte for byte, addresses included, as servers do that answer under two names.
    path = page.of if page.kind is PageKind.DUPLICATE else page.path

    def link(target: str) -> str:
        return site.theme.link(site.host, path, target)

    content = make_content(site, page, link)
    package, day = site.package, day_of(page.changed)
    related = []
    if page.draft is not None and page.kind is not PageKind.INDEX:
        related = [(name.replace("#", " part "), link(site.paths[name])) for name in site.neighbours_of(page)]
    html = (
        _templates()
        .get_template(site.theme.template)
        .render(
            title=page.name.replace("#", " part "),
            package=package.name,
            version=package.version,
            description=content.description,
            content=Markup(content.html),
            language=page.language,
            encoding=site.theme.encoding,
            path=path,
            host=site.host,
            home=link("/"),
            module=page.module,
            module_href=link(site.index_paths[page.module]) if page.module else "",
            navigation=[(module, link(site.index_paths[module])) for module in site.modules[:NAVIGATION]],
            related=related,
            footer=[(label, link(target)) for label, target in extra_links(site)],
            elsewhere=site.place.neighbours,
            license=package.license,
            license_href=_license_address(package.license, link("/license.html")),
            day=day.isoformat(),
            is_noai=page.kind is PageKind.NOAI_META,
            session=hashlib.blake2b(f"{site.host}{path}".encode(), digest_size=8).hexdigest(),
        )
    )
    headers = [("Content-Type", "text/html" + (f"; charset={site.theme.encoding}" if site.theme.in_header else ""))]
    if page.kind is PageKind.NOAI_HEADER:
        headers.append(("X-Robots-Tag", "noai, noimageai"))
    elif page.kind is PageKind.TDM_RESERVED:
        headers += [("TDM-Reservation", "1"), ("TDM-Policy", f"http://{site.host}/license.html")]
    if page.language != "en":
        headers.append(("Content-Language", page.language))
    body = html.encode(site.theme.encoding, errors="xmlcharrefreplace")
    return Rendered(body, tuple(headers), etag_of(body), http_date(page.changed))


def etag_of(body: bytes) -> str:
    """A strong validator: the hash of the bytes."""
    return f'"{hashlib.blake2b(body, digest_size=10).hexdigest()}"'


def http_date(edition: int) -> str:
    """The edition's date as HTTP writes it (RFC 9110, section 5.6.7)."""
    return format_datetime(datetime.combine(day_of(edition), time(6, 30), UTC), usegmt=True)


def _license_address(license_name: str, page: str) -> str:
    """SPDX's page for a single identifier; the host's own for anything else."""
    return f"https://spdx.org/licenses/{license_name}.html" if _SPDX_ID.match(license_name) else page
