"""The web as a crawler meets it: pages, links, sitemaps, editions."""

from collections import Counter
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import pytest
from lxml import etree, html

from assets.crawl.web.config import WebConfig
from assets.crawl.web.rendering import render
from assets.crawl.web.server import robots_txt, sitemap_xml
from assets.crawl.web.site import PageKind, build_web
from assets.crawl.web.themes import THEMES
from resources.errors import SpecError

TEXT_KINDS = {PageKind.ARTICLE, PageKind.INDEX, PageKind.INTERNAL, PageKind.NOAI_META, PageKind.OLDER}


def rendered(web):
    return {
        (site.host, page.path): render(site, page)
        for site in web.values()
        for page in site.pages.values()
        if page.kind is not PageKind.MOVED
    }


def links(site, path, body):
    tree = html.fromstring(body.decode(site.theme.encoding))
    base = f"http://{site.host}{path}"
    return {urldefrag(urljoin(base, a.get("href"))).url for a in tree.iter("a") if a.get("href")}


def listed(site):
    """The URLs of a host's sitemap."""
    return [node.text for node in etree.fromstring(sitemap_xml(site).encode()).iter("{*}loc")]


def test_two_builds_give_the_same_bytes_for_any_number_of_workers(config, first):
    assert rendered(build_web(config, 1, workers=2)) == rendered(first)


def test_the_web_has_pages_of_every_kind_in_every_look(first):
    assert {page.kind for site in first.values() for page in site.pages.values()} == set(PageKind)
    assert {site.theme.template for site in first.values()} == {theme.template for theme in THEMES}
    assert {site.theme.encoding for site in first.values()} == {"utf-8", "utf-16", "iso-8859-1", "windows-1252"}
    assert 150 <= sum(len(site.pages) for site in first.values()) <= 260


def test_every_page_parses_and_shows_its_name_signature_and_words(first):
    for site in first.values():
        for page in site.pages.values():
            if page.draft is None or page.kind not in TEXT_KINDS:
                continue
            tree = html.fromstring(render(site, page).body.decode(site.theme.encoding))
            text = " ".join(tree.text_content().split())
            for section in page.draft.sections:
                if section.kind != "topic":
                    name = f"{section.module}.{section.name}".rstrip(".")
                    assert " ".join(f"{name}{section.signature}".split()) in text
            assert tree.findtext(".//title")
            assert next(tree.iter("h1")) is not None


def test_pages_say_their_licence_language_and_encoding(first):
    site = first["httpx.docs.test"]
    page = render(site, site.pages["/"])
    tree = html.fromstring(page.body.decode(site.theme.encoding))
    assert tree.xpath("//link[@rel='license']/@href") == ["https://spdx.org/licenses/BSD-3-Clause.html"]
    assert tree.get("lang") == "en"
    silent = next(site for site in first.values() if not site.theme.in_header)
    assert dict(render(silent, silent.pages["/"]).headers)["Content-Type"] == "text/html"
    assert silent.theme.encoding.encode() in render(silent, silent.pages["/"]).body.lower()


def test_the_sitemap_lists_exactly_what_a_polite_crawl_from_the_home_page_finds(first):
    for site in first.values():
        robots = RobotFileParser()
        robots.parse(robots_txt(site).splitlines())
        queue, seen, moved = [f"http://{site.host}/"], set(), {p.path for p in site.pages.values() if p.of}
        while queue:
            url = queue.pop()
            path = urlsplit(url).path
            if url in seen or urlsplit(url).netloc != site.host or not robots.can_fetch("Tidemill", url):
                continue
            if "?" in url or path not in site.pages or site.pages[path].kind in (PageKind.MOVED, PageKind.CALENDAR):
                continue
            seen.add(url)
            queue += links(site, site.pages[path].of or path, render(site, site.pages[path]).body)
        assert sorted(seen) == sorted(listed(site))
        assert moved >= {p.path for p in site.pages.values() if p.kind is PageKind.MOVED}


def test_robots_txt_hides_real_pages_and_delays_one_host(config, first):
    hidden = [(s, p) for s in first.values() for p in s.pages.values() if p.kind is PageKind.INTERNAL]
    for site, page in hidden:
        robots = RobotFileParser()
        robots.parse(robots_txt(site).splitlines())
        assert not robots.can_fetch("Tidemill", f"http://{site.host}{page.path}")
        assert len(render(site, page).body) > 1000
    delays = {host: "Crawl-delay: 0.5" in robots_txt(site) for host, site in first.items()}
    assert [host for host, has_delay in delays.items() if has_delay] == [config.crawl_delay_host]
    assert all(f"Sitemap: http://{host}/sitemap.xml" in robots_txt(site) for host, site in first.items())


def test_copies_are_equal_and_older_pages_nearly_so(first):
    for site in first.values():
        for page in site.pages.values():
            if page.kind is PageKind.DUPLICATE:
                assert render(site, page).body == render(site, site.pages[page.of]).body
            elif page.kind is PageKind.OLDER:
                assert render(site, page).body != render(site, site.pages[page.of]).body
                now, then = (set(words(site, path)) for path in (page.of, page.path))
                assert len(now & then) / len(now | then) > 0.6


def words(site, path):
    return html.fromstring(render(site, site.pages[path]).body.decode(site.theme.encoding)).text_content().split()


def test_opt_outs_are_said_in_the_page_or_in_a_header(first):
    counts = Counter()
    for site in first.values():
        for page in site.pages.values():
            if page.kind is PageKind.MOVED:
                continue
            answer = render(site, page)
            headers = dict(answer.headers)
            tree = html.fromstring(answer.body.decode(site.theme.encoding))
            robots = [m.get("content").lower() for m in tree.iter("meta") if (m.get("name") or "").lower() == "robots"]
            said = (
                any("noai" in value for value in robots),
                "noai" in headers.get("X-Robots-Tag", ""),
                headers.get("TDM-Reservation") == "1",
            )
            assert said == tuple(
                page.kind is k for k in (PageKind.NOAI_META, PageKind.NOAI_HEADER, PageKind.TDM_RESERVED)
            )
            counts.update([page.kind])
    assert min(counts[k] for k in (PageKind.NOAI_META, PageKind.NOAI_HEADER, PageKind.TDM_RESERVED)) > 0


def test_the_second_edition_changes_adds_and_removes_some_pages_and_leaves_the_rest(first, second):
    before, after = rendered(first), rendered(second)
    articles = {(s.host, p.path) for s in first.values() for p in s.pages.values() if p.kind is PageKind.ARTICLE}
    kept = articles & after.keys()
    changed = {key for key in kept if before[key].body != after[key].body}
    added = {key for key in after.keys() - before.keys() if key[0] in first}
    assert articles - after.keys(), "none removed"
    assert added, "none added"
    assert 0 < len(changed) < len(kept) / 3
    assert {host for host, _ in after} - {host for host, _ in before} == {
        "centrality.algorithms.networkx.docs.test",
        "spatial.scipy.docs.test",
    }
    for key in before.keys() & after.keys():
        is_same = before[key].body == after[key].body
        then, now = dict(before[key].headers), dict(after[key].headers)
        assert is_same == (then["ETag"] == now["ETag"])
        if not is_same:
            assert then["Last-Modified"] != now["Last-Modified"] == "Fri, 09 Jan 2026 06:30:00 GMT"


def test_some_changes_are_small_and_some_are_large(first, second):
    shares = []
    for host, site in first.items():
        for path, page in site.pages.items():
            later = second[host].pages.get(path)
            if page.kind is PageKind.ARTICLE and later is not None and later.draft != page.draft:
                now, then = set(words(site, path)), set(words(second[host], path))
                shares.append(len(now & then) / len(now | then))
    assert min(shares) < 0.8 < max(shares)


def test_later_editions_go_on(config, second):
    third = build_web(config, 3)
    assert third.keys() == second.keys()
    assert rendered(third) != rendered(second)


def test_an_edition_needs_a_number_and_a_web_needs_words(config):
    with pytest.raises(SpecError, match="counted from 1"):
        build_web(config, 0)
    with pytest.raises(SpecError, match="none of them"):
        build_web(WebConfig(packages=(("certifi",),), minimum_docstring=10_000), 1)
