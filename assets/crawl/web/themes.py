"""Themes: how a host looks, names its addresses, links, and encodes."""

import posixpath
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

from assets.crawl.web.drafts import Draft


@dataclass(frozen=True, slots=True)
class Theme:
    """One look. `article` and `index` are forms of addresses; `in_header`: whether Content-Type names the encoding."""

    template: str
    links: Literal["relative", "root", "absolute"]
    article: str
    index: str
    has_tables: bool = False
    encoding: str = "utf-8"
    in_header: bool = True

    def address(self, draft: Draft) -> str:
        """The path of a draft's own page."""
        name, _, part = draft.name.partition("#")
        part = f"-{part}" if part else ""
        form = self.index if draft.kind == "module" and not part else self.article
        path = form.format(
            name=name + part,
            module=draft.module,
            slug=name.replace(".", "/") + part,
            folder=draft.module.replace(".", "/"),
            inner=(name.removeprefix(draft.module).strip(".") or name) + part,
        )
        return quote(path)

    def link(self, host: str, path: str, target: str) -> str:
        """What to write on `path` to point to `target`, a path of the host."""
        if self.links == "absolute":
            return f"http://{host}{target}"
        return target if self.links == "root" else _relative(posixpath.dirname(path), target)


@lru_cache(maxsize=16_384)
def _relative(folder: str, target: str) -> str:
    relative = posixpath.relpath(target, folder)
    if relative == ".":
        return "./"
    return f"{relative}/" if target.endswith("/") else relative


THEMES = (
    Theme("sphinx.html.jinja", "relative", "/generated/{name}.html", "/{module}.html"),
    Theme("material.html.jinja", "root", "/reference/{slug}/", "/reference/{folder}/index/"),
    Theme("legacy.html.jinja", "absolute", "/doc/{name}.htm", "/doc/{module}.index.htm", has_tables=True),
    Theme("plain.html.jinja", "relative", "/{folder}/{inner}.html", "/{folder}/"),
    Theme("portal.html.jinja", "root", "/docs/{module}/{inner}", "/docs/{module}", has_tables=True),
)
# Hosts that do not speak UTF-8, by rank: (encoding, whether the header says so).
_ENCODINGS = {
    2: ("windows-1252", True),
    3: ("iso-8859-1", False),
    7: ("utf-16", True),
    12: ("windows-1252", False),
    18: ("iso-8859-1", True),
}


def theme_of(rank: int) -> Theme:
    """The look of the host of a rank; the looks take turns."""
    encoding, in_header = _ENCODINGS.get(rank, ("utf-8", True))
    return replace(THEMES[rank % len(THEMES)], encoding=encoding, in_header=in_header)
