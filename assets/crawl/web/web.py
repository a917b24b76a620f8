"""The whole web: every host of an edition, built from the installed packages."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

from assets.crawl.web.config import WebConfig, host_of
from assets.crawl.web.drafts import Outline, outline
from assets.crawl.web.draws import draw
from assets.crawl.web.packages import Package, find_package, list_references
from assets.crawl.web.site import Place, Site
from resources.errors import SpecError
from resources.lifeline import exit_with_pool

NEIGHBOURS = 3


def build_web(config: WebConfig, edition: int, workers: int = 1) -> dict[str, Site]:
    """All hosts of an edition that have pages, by name; the same for any number of workers.

    Raises:
        SpecError: if a package is not installed or nothing is documented.
    """
    if edition < 1:
        raise SpecError(f"edition {edition}: editions are counted from 1")
    references = list_references(config)
    names = [reference for _, reference in references]
    shown = [reference for added, reference in references if added <= edition]
    read = partial(_read, config=config, references=names)
    places = _places(config, references)
    with _quick_allocation():
        if workers > 1 and len(shown) > 1:
            context = multiprocessing.get_context("forkserver")
            with ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_pool) as pool:
                planned = list(pool.map(read, shown))
        else:
            planned = [read(reference) for reference in shown]
        sites = [
            Site(package, pages, places[package.host], config, edition) for package, pages in planned if pages.drafts
        ]
    if not sites:
        raise SpecError("packages: none of them documents anything of the minimal length; name others")
    return {site.host: site for site in sites}


def _read(reference: str, config: WebConfig, references: list[str]) -> tuple[Package, Outline]:
    package = find_package(reference, references)
    return package, outline(package, config)


def _places(config: WebConfig, references: list[tuple[int, str]]) -> dict[str, Place]:
    """Ranks in a drawn order, edition by edition, so that what a later edition adds moves nobody."""
    drawn = sorted((added, draw(config.seed, host_of(name), "rank"), host_of(name)) for added, name in references)
    places = {}
    for rank, (added, _, host) in enumerate(drawn):
        others = [(draw(config.seed, host, other), other) for e, _, other in drawn if e <= added and other != host]
        places[host] = Place(added, rank, tuple(other for _, other in sorted(others)[:NEIGHBOURS]))
    return places


@contextmanager
def _quick_allocation() -> Iterator[None]:
    """No garbage collection while syntax trees come and go: they hold no cycles, and it would cost a third."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
