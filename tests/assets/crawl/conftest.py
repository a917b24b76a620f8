"""A web that misbehaves, and a place to crawl it from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.crawl.hostile_web import Field, HostileWeb


@pytest.fixture
def web() -> Iterator[HostileWeb]:
    hostile = HostileWeb()
    with hostile.served():
        yield hostile


@pytest.fixture
def fields(tmp_path: Path) -> Field:
    return Field(tmp_path)
