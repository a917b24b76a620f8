"""Under which licence a page says that it is."""

import re
from urllib.parse import urljoin

from resiliparse.parse.html import DocumentNode, ElementNode

MAX_CHARACTERS = 200
_SELECTOR = (
    "link[rel~=license], a[rel~=license], meta[name], meta[property], "
    "[itemprop=license], [property='dct:license'], [property='cc:license']"
)
_META_NAMES = frozenset(
    {"license", "licence", "dc.rights", "dc.license", "dcterms.rights", "dcterms.license", "dc.rights.license"}
)
_HINTS = ("license", "licence", "dc.rights", "dc:rights", "dcterms.rights", "dcterms:rights")
_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/(licenses/([a-z-]+)|publicdomain/(zero|mark))/(\d\.\d)", re.I)
_SPDX_PAGE = re.compile(r"(?:spdx\.org/licenses|opensource\.org/licen[sc]es?)/([\w.+-]+?)(?:\.html|/)?$", re.I)


def find_license(source: str, document: DocumentNode, url: str) -> str:
    """The page's licence: an SPDX identifier where its address tells it, else the page's own words; "" if it says none.

    Links with `rel=license` (RFC 4946) go before meta elements (`license`, Dublin Core rights) and
    microdata.
    """
    folded = source.lower()
    if not any(hint in folded for hint in _HINTS):  # far cheaper than visiting every meta element
        return ""
    linked, stated = [], []
    for element in document.query_selector_all(_SELECTOR):
        if element.tag in ("link", "a") and element.getattr("href"):
            linked.append(_linked(element, url))
            continue
        name = element.getattr("name") or element.getattr("property") or ""
        if element.tag != "meta" or name.strip().lower().replace(":", ".") in _META_NAMES:
            stated.append(element.getattr("content") or element.getattr("href") or element.text)
    found = (spdx_or_words(value) for value in (*linked, *stated) if value)
    return next((value for value in found if value), "")


def _linked(element: ElementNode, url: str) -> str:
    """What a licence link says: its address if that names a licence anywhere, else its title or its words."""
    address = urljoin(url, (element.getattr("href") or "").strip())
    if spdx_or_words(address) != " ".join(address.split()):
        return address
    return element.getattr("title") or element.text or address


def spdx_or_words(value: str) -> str:
    """A licence's SPDX identifier where its address tells it, else its words on one line."""
    words = " ".join(value.split())
    if match := _CREATIVE_COMMONS.search(words):
        if match.group(3):
            return "CC0-1.0" if match.group(3).lower() == "zero" else "CC-PDM-1.0"
        return f"CC-{match.group(2).upper()}-{match.group(4)}"
    if match := _SPDX_PAGE.search(words):
        return match.group(1)
    return words[:MAX_CHARACTERS]
