"""The main part of each kind of page, as HTML that knows nothing of the look around it."""

import gettext
import re
from collections.abc import Callable
from html import escape
from typing import NamedTuple

from markdown_it import MarkdownIt

from assets.crawl.web.dirt import babble, garble, make_person, stuff_keywords
from assets.crawl.web.drafts import Draft, dotted
from assets.crawl.web.draws import generator
from assets.crawl.web.pages import Page, PageKind
from assets.crawl.web.prose import Resolve, first_paragraph, to_html
from assets.crawl.web.site import CALENDAR, Site

Link = Callable[[str], str]
DESCRIPTION = 160
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_PLACEHOLDER = re.compile(r"%\(?\w*\)?[sd]|%\.\d+f|\{\w*\}")
_TRANSLATED = {"de": "Übersetzte Ausdrücke", "fr": "Expressions traduites"}


class Content(NamedTuple):
    """A page's heading and main HTML, and its description in plain words."""

    html: str
    description: str


def make_content(site: Site, page: Page, link: Link) -> Content:
    """The content of any page; `link` says how to write an address on it."""
    name, chance = site.package.name, generator(site.config.seed, site.host, page.path)
    match page.kind:
        case PageKind.INDEX:
            return _index(site, page, link)
        case PageKind.HOME:
            return _home(site, link)
        case PageKind.NOTICE if page.path == "/license.html":
            return _license(site)
        case PageKind.NOTICE if page.path == "/archive.html":
            return _archive(site, link)
        case PageKind.NOTICE:
            return _translations(site, page.language)
        case PageKind.CONTACT:
            chance = generator(site.config.seed, site.host, "contact")
            intro = f"Who looks after the documentation of {name}, and how to reach them."
            return _plain("Contact", [intro, *(make_person(chance) for _ in range(3))])
        case PageKind.SPAM:
            words = [w for draft in site.drafts for w in draft.name.replace("#", ".").split(".") if len(w) > 3]
            return _plain("Best free online download", stuff_keywords(words, chance))
        case PageKind.MACHINE_MADE:
            sections = [section for draft in site.drafts for section in draft.sections]
            return _plain("Community notes", babble([s.docstring[:2000] for s in sections[:60]], chance, 320))
        case PageKind.CALENDAR:
            return _calendar(page.path, link)
        case PageKind.BUSY:
            text = f"The builders of {name} were idle for most of the week. Their load stayed below one."
            return _plain("Load of the build servers", [text])
    return _article(site, page, link)


def _article(site: Site, page: Page, link: Link) -> Content:
    assert page.draft is not None
    born = site.lives[page.draft.name].born

    def resolve(name: str) -> str | None:
        address = site.resolve(name, born)
        return link(address) if address else None

    html = _documentation(page.draft, resolve, site.theme.has_tables)
    description = first_paragraph(page.draft.sections[0].docstring)
    if page.kind is PageKind.MOJIBAKE:
        html, description = garble(html), garble(description)
    return Content(html, description[:DESCRIPTION])


def _documentation(draft: Draft, resolve: Resolve, has_tables: bool) -> str:
    """The sections of a draft; each begins with its object's full name and signature."""
    name, _, part = draft.name.partition("#")
    out = []
    level = 1
    if part or dotted(draft.sections[0]) != name:
        out.append(f"<h1>{escape(name)}{f', part {part}' if part else ''}</h1>")
        level = 2
    for section in draft.sections:
        shown = dotted(section)
        heading = f"{escape(shown)}{escape(section.signature, quote=False)}"
        if section.kind == "topic":
            heading = escape(section.docstring.partition("\n")[0])
        out.append(f'<h{level} id="{escape(shown)}">{heading}</h{level}>')
        out.append(to_html(section.docstring, resolve, heading=level + 1, has_tables=has_tables))
        level = 2
    return "\n".join(out)


def _index(site: Site, page: Page, link: Link) -> Content:
    name = escape(page.module)
    top = f"<h1>{name}</h1><p>Contents of <code>{name}</code>.</p>"
    description = f"Contents of {page.module}"
    if page.draft is not None:
        article = _article(site, page, link)
        top, description = article.html, article.description
    items = []
    for member in site.members(page.module):
        summary = first_paragraph(member.draft.sections[0].docstring) if member.draft else ""
        entry = f'<a href="{escape(link(member.path))}"><code>{escape(member.name)}</code></a>'
        items.append(f"<li>{entry} {escape(summary[:DESCRIPTION])}</li>")
    return Content(f"{top}\n<h2>Contents</h2><ul class=contents>{''.join(items)}</ul>" if items else top, description)


def _home(site: Site, link: Link) -> Content:
    package = site.package
    title = f"<h1>{escape(package.name)} {escape(package.version)}</h1><p>{escape(package.summary)}</p>"
    is_markdown = "markdown" in package.readme_type or package.readme.lstrip().startswith(("# ", "<"))
    readme = _MARKDOWN.render(package.readme) if is_markdown else to_html(package.readme, lambda _: None)
    modules = "".join(
        f'<li><a href="{escape(link(site.index_paths[module]))}">{escape(module)}</a></li>' for module in site.modules
    )
    translations = "".join(
        f'<li><a href="{link(f"/{language}/")}" hreflang={language}>{_TRANSLATED[language]}</a></li>'
        for language in package.catalogues
    )
    return Content(
        f"{title}\n{readme}\n<h2>Modules</h2><ul>{modules}</ul>" + (f"<ul>{translations}</ul>" if translations else ""),
        package.summary[:DESCRIPTION],
    )


def _license(site: Site) -> Content:
    package = site.package
    words = package.license or "no licence given"
    top = f"<h1>License</h1><p>{escape(package.name)} is published under: {escape(words)}.</p>"
    return Content(f"{top}<pre>{escape(package.license_text[:20_000])}</pre>", f"License of {package.name}")


def _archive(site: Site, link: Link) -> Content:
    words = {PageKind.DUPLICATE: "latest", PageKind.OLDER: "previous release", PageKind.MOVED: "moved"}
    rows = "".join(
        f'<tr><td>{words[page.kind]}</td><td><a href="{escape(link(page.path))}">{escape(page.name)}</a></td></tr>'
        for page in site.pages.values()
        if page.kind in words
    )
    dead = "".join(f'<li><a href="{link(f"/gone/{n}.html")}">Release notes {n}</a></li>' for n in (1, 2))
    return Content(
        f"<h1>Archive</h1><p>Other versions of these pages.</p><table>{rows}</table><ul>{dead}</ul>",
        f"Other versions of the documentation of {site.package.name}",
    )


def _translations(site: Site, language: str) -> Content:
    """The phrases that a package's own gettext catalogue has in a language, as sentences."""
    with site.package.catalogues[language].open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    entries: dict[str | tuple[str, int], str] = catalogue._catalog  # type: ignore[attr-defined]
    chance = generator(site.config.seed, site.host, language)
    phrases = [
        _PLACEHOLDER.sub(lambda _: str(chance.randrange(2, 60)), text) for key, text in entries.items() if key and text
    ]
    phrases = [phrase[0].upper() + phrase[1:] for phrase in dict.fromkeys(phrases) if len(phrase) > 2]
    paragraphs = [", ".join(phrases[start : start + 12]) + "." for start in range(0, len(phrases), 12)]
    return _plain(f"{site.package.name}: {_TRANSLATED[language]}", paragraphs)


def _calendar(path: str, link: Link) -> Content:
    year, month = (int(part) for part in path.strip("/").split("/")[1:])
    before, after = divmod(year * 12 + month - 2, 12), divmod(year * 12 + month, 12)
    addresses = [CALENDAR.replace("2026/01", f"{y:04d}/{m + 1:02d}") for y, m in (before, after)]
    days = "".join(f"<td>{day}</td>" for day in range(1, 29))
    html = (
        f"<h1>Events in {year:04d}-{month:02d}</h1><table><tr>{days}</tr></table><p>No events this month.</p>"
        f'<p><a href="{link(addresses[0])}">Previous month</a> <a href="{link(addresses[1])}">Next month</a></p>'
    )
    return Content(html, "Events")


def _plain(title: str, paragraphs: list[str]) -> Content:
    body = "\n".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)
    return Content(f"<h1>{escape(title)}</h1>\n{body}", paragraphs[0][:DESCRIPTION] if paragraphs else title)


def extra_links(site: Site) -> list[tuple[str, str]]:
    """(label, path) of the pages that a host's footer lists."""
    links = [("License", "/license.html"), ("Contact", "/about/contact.html"), ("Archive", "/archive.html")]
    kinds = {PageKind.SPAM: "Tag", PageKind.MACHINE_MADE: "Notes", PageKind.CALENDAR: "Events", PageKind.BUSY: "Load"}
    links += [(kinds[p.kind], p.path) for p in site.pages.values() if p.kind in kinds]
    return links
