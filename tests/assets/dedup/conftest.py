"""A corpus on disk and the stage run over it, snapshot by snapshot, with what came out as plain values."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.dedup.config import DedupConfig
from assets.dedup.duplicates import remove_duplicates
from assets.documents import (
    Document,
    document_id,
    read_documents,
    read_dropped,
    shard_names,
    shard_of,
    write_shard,
)
from resources.build import Build, Outcome
from resources.store import Store


@dataclass(frozen=True)
class Result:
    folder: Path
    outcome: Outcome

    @property
    def kept(self) -> set[str]:
        return {document.url for document in read_documents(self.folder)}

    @property
    def reasons(self) -> dict[str, str]:
        return {dropped.url: dropped.reason for dropped in read_dropped(self.folder)}

    @property
    def scores(self) -> dict[str, float]:
        return {dropped.url: dropped.score for dropped in read_dropped(self.folder)}

    @property
    def clusters(self) -> dict[str, dict[str, object]]:
        rows = (row for path in shard_names(self.folder, "clusters") for row in pq.read_table(path).to_pylist())
        return {row["id"]: row for row in rows}

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True)
class Workshop:
    """Writes extracted snapshots and deduplicates them, each time in folders of its own."""

    root: Path

    def build(self, name: str, workers: int = 1) -> Build:
        return Build(Store(self.root), name, self.root / "scratch" / name, workers=workers)

    def extracted(self, name: str, documents: Iterable[Document], shards: int = 2) -> Path:
        documents = list(documents)
        for shard in range(shards):
            own = [document for document in documents if shard_of(document.url, shards) == shard]
            write_shard(self.build(name), lambda shard, own=own: own, shard)
        return self.root / name

    def pages(self, texts: dict[str, str], snapshot: str = "2026-01-05") -> list[Document]:
        return [Document(document_id(url, snapshot), url, text, snapshot) for url, text in texts.items()]

    def dedup(
        self,
        source: Path | dict[str, str],
        earlier: Sequence[Result] = (),
        config: DedupConfig | None = None,
        *,
        name: str = "",
        workers: int = 1,
        snapshot: str | None = None,
    ) -> Result:
        """Deduplicate an extracted folder, or pages given as URL → text."""
        number = len(list(self.root.glob("deduped-*")))
        if not isinstance(source, Path):
            day = snapshot or f"2026-01-{5 + 7 * len(earlier):02}"
            source = self.extracted(f"extracted-{number}", self.pages(source, day))
        name = name or f"deduped-{number}"
        (self.root / name).mkdir(exist_ok=True)
        outcome = remove_duplicates(
            self.build(name, workers), config or DedupConfig(), source, [result.folder for result in earlier]
        )
        return Result(self.root / name, outcome)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def new_workshop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workshop]:
    return lambda: Workshop(tmp_path_factory.mktemp("workshop"))
