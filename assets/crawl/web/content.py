"""The main part of each kind of page, as HTML that knows nothing of the look around it."""

from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from assets.crawl.web.dirt import babble, garble, make_person, stuff_keywords
from assets.crawl.web.drafts import dotted
from assets.crawl.web.editions import generator
from assets.crawl.web.prose import first_paragraph, to_html
from assets.crawl.web.site import Page, PageKind, Site

Link = Callable[[str], str]
DESCRIPTION = 160
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ARCHIVED = {PageKind.DUPLICATE: "latest", PageKind.OLDER: "previous release", PageKind.MOVED: "moved"}


@cache
def templates() -> Environment:
    """The looks of pages, and `main.jinja`, whose macros escape what they are given themselves."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name != "main.jinja",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["html"] = escape
    return environment


def make_content(site: Site, page: Page, link: Link) -> tuple[str, str]:
    """The main HTML of any page and its description in plain words; `link` says how to write an address on it."""
    package, chance = site.package, generator(site.config.seed, site.host, page.path)
    macros: Any = templates().get_template("main.jinja").module
    match page.kind:
        case PageKind.INDEX:
            name = escape(page.module)
            top, description = f"<h1>{name}</h1><p>Contents of <code>{name}</code>.</p>", f"Contents of {page.module}"
            if page.draft is not None:
                top, description = _article(site, page, link)
            entries = [(member, _summary(member)) for member in site.members(page.module)]
            return macros.index(top, entries, link), description
        case PageKind.HOME:
            is_markdown = "markdown" in package.readme_type or package.readme.lstrip().startswith(("# ", "<"))
            readme = _MARKDOWN.render(package.readme) if is_markdown else to_html(package.readme, lambda _: None)
            return macros.home(site, readme, link), package.summary[:DESCRIPTION]
        case PageKind.LICENSE:
            return macros.license(package), f"License of {package.name}"
        case PageKind.ARCHIVE:
            description = f"Other versions of the documentation of {package.name}"
            return macros.archive(site.pages.values(), _ARCHIVED, link), description
        case PageKind.CONTACT:
            chance = generator(site.config.seed, site.host, "contact")
            intro = f"Who looks after the documentation of {package.name}, and how to reach them."
            return _plain("Contact", [intro, *(make_person(chance) for _ in range(3))])
        case PageKind.SPAM:
            words = [w for draft in site.drafts for w in draft.name.replace("#", ".").split(".") if len(w) > 3]
            return _plain("Best free online download", stuff_keywords(words, chance))
        case PageKind.MACHINE_MADE:
            sections = [section for draft in site.drafts for section in draft.sections]
            return _plain("Community notes", babble([s.docstring[:2000] for s in sections[:60]], chance, 320))
        case PageKind.CALENDAR:
            year, month = (int(part) for part in page.path.strip("/").split("/")[1:])
            around = [divmod(year * 12 + month + step, 12) for step in (-2, 0)]
            before, after = (f"/calendar/{y:04d}/{m + 1:02d}/" for y, m in around)
            return macros.calendar(f"{year:04d}-{month:02d}", before, after, link), "Events"
        case PageKind.BUSY:
            text = f"The builders of {package.name} were idle for most of the week. Their load stayed below one."
            return _plain("Load of the build servers", [text])
    return _article(site, page, link)


def _article(site: Site, page: Page, link: Link) -> tuple[str, str]:
    """The sections of a draft; each begins with its object's full name and signature."""
    assert page.draft is not None
    sections, born = page.draft.sections, site.lives[page.draft.name].born
    name, _, part = page.draft.name.partition("#")

    def resolve(name: str) -> str | None:
        address = site.resolve(name, born)
        return link(address) if address else None

    out, level = [], 1
    if part or dotted(sections[0]) != name:
        out.append(f"<h1>{escape(name)}{f', part {part}' if part else ''}</h1>")
        level = 2
    for section in sections:
        shown = escape(dotted(section))
        heading = f"{shown}{escape(section.signature, quote=False)}"
        if section.kind == "topic":
            heading = escape(section.docstring.partition("\n")[0])
        out.append(f'<h{level} id="{shown}">{heading}</h{level}>')
        out.append(to_html(section.docstring, resolve, heading=level + 1, has_tables=site.theme.has_tables))
        level = 2
    html, description = "\n".join(out), first_paragraph(sections[0].docstring)
    if page.kind is PageKind.MOJIBAKE:
        html, description = garble(html), garble(description)
    return html, description[:DESCRIPTION]


def _summary(page: Page) -> str:
    return first_paragraph(page.draft.sections[0].docstring)[:DESCRIPTION] if page.draft else ""


def _plain(title: str, paragraphs: list[str]) -> tuple[str, str]:
    body = "\n".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)
    return f"<h1>{escape(title)}</h1>\n{body}", paragraphs[0][:DESCRIPTION] if paragraphs else title
