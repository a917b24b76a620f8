from collections.abc import Mapping

import pytest

from assets.crawl.web.config import WebConfig
from assets.crawl.web.site import Site, build_web

EDITION_1 = ("stdlib:json", "stdlib:argparse", "stdlib:statistics", "stdlib:asyncio", "stdlib:email", "stdlib:topics")
EDITION_1 += ("httpx", "jinja2", "click")
EDITION_2 = ("networkx:networkx.algorithms.centrality", "scipy:scipy.spatial")
CONFIG = WebConfig(
    packages=(EDITION_1, EDITION_2), max_pages_per_host=20, crawl_delay_host="json.python.docs.test", seed=5
)


@pytest.fixture(scope="session")
def config() -> WebConfig:
    return CONFIG


@pytest.fixture(scope="session")
def first(config: WebConfig) -> Mapping[str, Site]:
    return build_web(config, 1)


@pytest.fixture(scope="session")
def second(config: WebConfig) -> Mapping[str, Site]:
    return build_web(config, 2)
