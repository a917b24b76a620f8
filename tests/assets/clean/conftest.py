"""Extracted documents as a folder, and places to clean them to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assets.documents import Document, document_id, shard_of, write_shard
from resources.build import Build, Progress, silent
from resources.store import Store

SNAPSHOT = "2026-01-05"
SHARDS = 3


def document(url: str, text: str, title: str = "A title") -> Document:
    return Document(document_id(url, SNAPSHOT), url, text, SNAPSHOT, title, "en", 0.99, "MIT")


@pytest.fixture
def documents(tmp_path: Path) -> Callable[..., Path]:
    def write(given: Sequence[Document], name: str = "source") -> Path:
        build = Build(Store(tmp_path / name), "deduped/fp", tmp_path / f"{name}-scratch")
        in_order = sorted(given, key=lambda one: one.url)
        for shard in range(SHARDS):
            write_shard(build, lambda shard: [one for one in in_order if shard_of(one.url, SHARDS) == shard], shard)
        return tmp_path / name / "deduped/fp"

    return write


@pytest.fixture
def new_build(tmp_path: Path) -> Callable[..., Build]:
    def make(name: str = "one", workers: int = 1, report: Callable[[Progress], None] = silent) -> Build:
        return Build(Store(tmp_path / name), "cleaned/fp", tmp_path / f"{name}-scratch", None, workers, report)

    return make
