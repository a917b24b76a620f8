"""The whole web: every host of an edition, built from the installed packages."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from assets.crawl.web.config import WebConfig, host_of
from assets.crawl.web.drafts import Draft, outline
from assets.crawl.web.editions import draw
from assets.crawl.web.packages import Package, find_package
from assets.crawl.web.site import Place, Site
from resources.errors import SpecError
from resources.lifeline import exit_with_pool

NEIGHBOURS = 3


def build_web(config: WebConfig, edition: int, workers: int = 1) -> dict[str, Site]:
    """All hosts of an edition that have pages, by name; the same for any number of workers.

    Raises SpecError if a package is not installed or nothing is documented.
    """
    if edition < 1:
        raise SpecError(f"edition {edition}: editions are counted from 1")
    shown = [reference for names in config.packages[:edition] for reference in names]
    read = partial(_read, config=config)
    if workers > 1 and len(shown) > 1:
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_pool) as pool:
            planned = list(pool.map(read, shown))
    else:
        planned = [read(reference) for reference in shown]
    places = _places(config)
    sites = [Site(package, drafts, places[package.host], config, edition) for package, drafts in planned if drafts]
    if not sites:
        raise SpecError("packages: none of them documents anything of the minimal length; name others")
    return {site.host: site for site in sites}


def _read(reference: str, config: WebConfig) -> tuple[Package, list[Draft]]:
    package = find_package(reference, [other for names in config.packages for other in names])
    return package, outline(package, config)


def _places(config: WebConfig) -> dict[str, Place]:
    """Ranks in a drawn order, edition by edition, so that what a later edition adds moves nobody."""
    hosts = [(added, host_of(name)) for added, names in enumerate(config.packages, start=1) for name in names]
    drawn = sorted((added, draw(config.seed, host, "rank"), host) for added, host in hosts)
    places = {}
    for rank, (added, _, host) in enumerate(drawn):
        others = [(draw(config.seed, host, other), other) for e, _, other in drawn if e <= added and other != host]
        places[host] = Place(added, rank, tuple(other for _, other in sorted(others)[:NEIGHBOURS]))
    return places
