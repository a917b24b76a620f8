"""One captured payload as text, title and licence, or the reason why it is none."""

import re
from dataclasses import dataclass

from resiliparse.parse.html import DocumentNode, HTMLTree

from assets.extract.charset import decode
from assets.extract.config import ExtractConfig
from assets.extract.license import find_license
from assets.extract.main_text import main_text, mark_structure

MAX_TITLE_CHARACTERS = 300
_PLAIN_TYPES = frozenset({"text/plain", "text/markdown", "text/x-markdown", "text/x-rst"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_UNSAID_TYPES = frozenset({"", "application/octet-stream", "application/unknown", "unknown/unknown"})
_LOOKS_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|title|meta|div|p|h[1-6])\b", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says: main text, title and licence; the latter two "" where it does not."""

    text: str
    title: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a capture is no document, and the figure that decided (bytes, the limit of levels, characters)."""

    reason: str
    score: float | None = None


def read_page(payload: bytes, content_type: str, url: str, config: ExtractConfig) -> Page | Refused:
    """Extract a payload by its media type; plain text passes as it is, apart from its line ends.

    Relative addresses in the page are resolved against `url`.
    """
    if len(payload) > config.max_page_bytes:
        return Refused("too_large", float(len(payload)))
    media_type = content_type.split(";")[0].strip().lower()
    if media_type not in _PLAIN_TYPES | _HTML_TYPES | _UNSAID_TYPES:
        return Refused("not_html")
    source = decode(payload, content_type)
    if source is None:
        return Refused("undecodable")
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    is_html = media_type in _HTML_TYPES or (
        media_type in _UNSAID_TYPES and _LOOKS_HTML.search(source[:4096]) is not None
    )
    if is_html:
        source = mark_structure(source)
        tree = HTMLTree.parse(source)
        if tree.document is None:
            return Refused("empty", 0.0)
        if _is_deeper(source, tree.document, config.max_depth):
            return Refused("too_deep", float(config.max_depth))
        text = main_text(tree)
        page = Page(_whole(text), _html_title(tree, tree.document), _whole(find_license(source, tree.document, url)))
    else:
        page = Page(_whole(source.strip("\n")), _plain_title(source))
    characters = sum(len(word) for word in page.text.split())
    return page if characters >= config.min_characters else Refused("empty", float(characters))


def _is_deeper(source: str, document: DocumentNode, levels: int) -> bool:
    """Whether elements nest deeper than this; extraction takes quadratic time on deep trees, parsing does not."""
    return source.count("<") > levels and document.query_selector(">".join("*" * (levels + 1))) is not None


def _html_title(tree: HTMLTree, document: DocumentNode) -> str:
    heading = document.query_selector("h1")
    return _one_line(tree.title or "") or _one_line((heading.text or "").lstrip("# ") if heading else "")


def _plain_title(source: str) -> str:
    """The first Markdown heading, if the text begins with one."""
    first = source.lstrip().partition("\n")[0]
    return _one_line(first.lstrip("#")) if first.startswith("#") else ""


def _one_line(text: str) -> str:
    return _whole(" ".join(text.split())[:MAX_TITLE_CHARACTERS])


def _whole(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 file can hold."""
    return _SURROGATES.sub("\ufffd", text)
