"""The main text of a page, in light Markdown that keeps headings, lists, code and signatures readable."""

import re
from typing import Any

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

# Below this share of the body's text, resiliparse's main content has lost the page (measured: flat from .3 to .5).
MIN_SHARE_OF_BODY = 0.4
_FURNITURE = ["nav", "footer", "aside", "header", "form", "button"]
_HEADING = re.compile(r"<h([1-6])(?:\s[^<>]*)?>", re.IGNORECASE)
# Possessive, and ended by the next <pre>, so that a page of unclosed ones is read once.
_PREFORMATTED = re.compile(r"(<pre(?:\s[^<>]*)?>)([^<]*+(?:<(?!/?pre[\s>])[^<]*+)*+)(</pre\s*>)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_LIST_ITEM = re.compile(r"^ {2}( *)(• |\d+\. )", re.MULTILINE)
_FENCED = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLANK_LINES = re.compile(r"\n{3,}")


def mark_structure(html: str) -> str:
    """The page with Markdown marks in the places that plain text would lose: headings, and where code begins and ends.

    Done on the source, in linear time, because a parsed tree takes quadratic time to change.
    """
    html = _HEADING.sub(lambda match: match.group() + "#" * int(match.group(1)) + " ", html)
    return _PREFORMATTED.sub(_fence, html)


def main_text(tree: HTMLTree) -> str:
    """A marked page's own words without navigation, in reading order; "" where there are none.

    resiliparse's main content, or the body without its furniture where that has lost most of it.
    Headings start with `#`, list items with `-`, preformatted text stands between fences with its
    line breaks and indentation; white space elsewhere is as a browser shows it.
    """
    content = _plain(tree, main_content=True)
    mains = tree.document.query_selector_all("main, [role=main]") if tree.document else []
    scope = HTMLTree.parse(mains[0].html) if len(mains) == 1 else tree
    body = _plain(scope, skip_elements=_FURNITURE)
    return _as_markdown(content if len(content) >= MIN_SHARE_OF_BODY * len(body) else body)


def _plain(tree: HTMLTree, **options: Any) -> str:
    return str(extract_plain_text(tree, preserve_formatting=True, alt_texts=False, **options))


def _fence(match: re.Match[str]) -> str:
    start, code, end = match.groups()
    if "```" in code or not _TAG.sub("", code).strip():
        return match.group()
    return f"{start}```\n{code}\n```{end}"


def _as_markdown(text: str) -> str:
    parts = _FENCED.split(text)
    parts[::2] = [_BLANK_LINES.sub("\n\n", _LIST_ITEM.sub(_list_item, part)) for part in parts[::2]]
    parts[1::2] = ["```\n" + code.rstrip().lstrip("\n") + "\n```" for code in parts[1::2]]
    return "".join(parts).strip("\n")


def _list_item(match: re.Match[str]) -> str:
    return match.group(1) + ("- " if match.group(2) == "• " else match.group(2))
