"""What a host says to crawlers: robots.txt and sitemaps."""

from __future__ import annotations

from html import escape

from assets.crawl.web.editions import day_of
from assets.crawl.web.site import Site

SITEMAP_URLS = 100
SITEMAP_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def robots_txt(site: Site) -> str:
    """The host's rules: a folder, two wildcard patterns, a crawler that is not welcome, the sitemap."""
    lines = ["# Please be kind to this server.", "User-agent: *", "Disallow: /internal/", "Disallow: /*?print="]
    lines.append("Disallow: /*.bak$")
    if site.host == site.config.crawl_delay_host:
        lines.append(f"Crawl-delay: {site.config.crawl_delay_s:g}")
    lines += ["", "User-agent: BadBot", "Disallow: /", "", f"Sitemap: http://{site.host}/sitemap.xml", ""]
    return "\n".join(lines)


def sitemaps(site: Site) -> dict[str, str]:
    """The host's sitemap files by path; a host of more than 100 pages has an index and numbered parts."""
    listed = sorted((page.path, day_of(page.changed)) for page in site.pages.values() if page.is_listed)
    entries = [(f"http://{site.host}{path}", day.isoformat()) for path, day in listed]
    if len(entries) <= SITEMAP_URLS:
        return {"/sitemap.xml": _xml("urlset", "url", entries)}
    parts = [entries[start : start + SITEMAP_URLS] for start in range(0, len(entries), SITEMAP_URLS)]
    files = {f"/sitemap-{number}.xml": _xml("urlset", "url", part) for number, part in enumerate(parts, start=1)}
    index = [
        (f"http://{site.host}{path}", max(day for _, day in part)) for path, part in zip(files, parts, strict=True)
    ]
    return {"/sitemap.xml": _xml("sitemapindex", "sitemap", index), **files}


def _xml(root: str, element: str, entries: list[tuple[str, str]]) -> str:
    rows = "\n".join(
        f"  <{element}><loc>{escape(address)}</loc><lastmod>{day}</lastmod></{element}>" for address, day in entries
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{SITEMAP_NAMESPACE}">\n{rows}\n</{root}>\n'
