"""YAML files beside each other, and a lineage whose stages take a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assets.stage import Lineage
from pipelines.lineage import lineage_of
from pipelines.spec import load


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a YAML file and gives its path."""

    def write_file(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_file


@pytest.fixture(scope="session")
def smoke() -> Lineage:
    return lineage_of(load("smoke", environment={}).spec)
