"""Documents on disk: one Parquet schema for every stage, sharded by URL, with all that was dropped beside it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.build import Build
from resources.compute import run_tasks
from resources.errors import InputError

ROW_GROUP = 1024
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Document:
    """One page's text and what the stages found out about it; None where no stage has said yet.

    `id` names the page in its snapshot, `split` is "train" or "held_out", scores lie in [0, 1].
    """

    id: str
    url: str
    text: str
    snapshot: str
    title: str = ""
    language: str = ""
    language_score: float = 0.0
    license: str = ""
    quality: float | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that a stage did not pass on: why, and the score that decided (None where none did)."""

    id: str
    url: str
    reason: str
    score: float | None = None


@dataclass(frozen=True)
class Funnel:
    """What went in and what became of it; `entered == kept + Σ dropped` or something was lost."""

    entered: int
    kept: int
    dropped: dict[str, int]

    @property
    def is_closed(self) -> bool:
        return self.entered == self.kept + sum(self.dropped.values())

    def stats(self) -> dict[str, object]:
        return {"entered": self.entered, "kept": self.kept, "dropped": self.dropped}


DOCUMENT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("text", pa.large_string()),
        ("snapshot", pa.string()),
        ("title", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("license", pa.string()),
        ("quality", pa.float32()),
        ("split", pa.string()),
    ]
)
DROPPED_SCHEMA = pa.schema(
    [("id", pa.string()), ("url", pa.string()), ("reason", pa.string()), ("score", pa.float32())]
)


def document_id(url: str, snapshot: str) -> str:
    """The id of a page in a snapshot: BLAKE2b of both, 32 hex digits."""
    return hashlib.blake2b(f"{snapshot} {url}".encode(), digest_size=ID_BYTES).hexdigest()


def shard_of(url: str, shards: int) -> int:
    """The shard that a URL's documents lie in, in every stage and snapshot."""
    return int.from_bytes(hashlib.blake2b(url.encode(), digest_size=8).digest(), "big") % shards


def shard_names(folder: Path, kind: str = "documents") -> list[Path]:
    """The shard files of an artifact, in order; `kind` is "documents" or "dropped"."""
    return sorted((folder / kind).glob("*.parquet"))


def read_documents(source: Path | Sequence[Path]) -> Iterator[Document]:
    """Documents of an artifact's folder or of shard files, streamed a row group at a time.

    Raises:
        InputError: if a file is not Parquet or lacks a column.
    """
    for path in shard_names(source) if isinstance(source, Path) else source:
        yield from (Document(**row) for row in _rows(path, DOCUMENT_SCHEMA))


def read_dropped(source: Path | Sequence[Path]) -> Iterator[Dropped]:
    """What a stage dropped, from an artifact's folder or from shard files."""
    for path in shard_names(source, "dropped") if isinstance(source, Path) else source:
        yield from (Dropped(**row) for row in _rows(path, DROPPED_SCHEMA))


def _rows(path: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    for batch in read_batches(path, schema.names):
        yield from batch.to_pylist()


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a shard file, a row group at a time.

    Raises:
        InputError: if the file is not Parquet or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            if lacking := set(columns) - set(file.schema_arrow.names):
                raise InputError(f"{path} lacks {', '.join(sorted(lacking))}; run `tidemill verify`")
            yield from file.iter_batches(ROW_GROUP, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Tidemill document shard ({error}); run `tidemill verify`") from error


class ShardWriter:
    """Writes one shard of a stage: kept documents and dropped ones, both files or neither.

    ```python
    with ShardWriter(build, shard=3) as writer:
        writer.keep(document)
        writer.drop(other, "too_short", score=12)
    ```
    """

    def __init__(self, build: Build, shard: int):
        self.build, self.shard = build, shard

    def __enter__(self) -> ShardWriter:
        self._files = ExitStack()
        self._kept: _Rows = self._files.enter_context(
            _rows_file(self.build, _name("documents", self.shard), DOCUMENT_SCHEMA)
        )
        self._dropped: _Rows = self._files.enter_context(
            _rows_file(self.build, _name("dropped", self.shard), DROPPED_SCHEMA)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def keep(self, document: Document) -> None:
        self._kept.add(asdict(document))

    def drop(self, document: Document, reason: str, score: float | None = None) -> None:
        self.add_dropped(Dropped(document.id, document.url, reason, score))

    def add_dropped(self, dropped: Dropped) -> None:
        self._dropped.add(asdict(dropped))


def is_written(build: Build, shard: int) -> bool:
    """Whether a shard was finished: its documents are put in place after its drops."""
    return build.has(_name("documents", shard))


def transform(
    build: Build, label: str, source: Path, judge: Callable[[Iterator[Document]], Iterable[Document | Dropped]]
) -> Funnel:
    """Pass every document of `source` through `judge`, shard by shard over the build's workers.

    `judge` gets a shard's documents in order and gives back, for each, the (changed) document to
    keep or why it was dropped; it must be picklable. Returns the accounting.
    """
    shards = shard_names(source)
    run_tasks(build, label, len(shards), partial(_transform_shard, build, shards, judge))
    return tally(build, len(shards), entered=count_documents(source))


def _transform_shard(
    build: Build,
    shards: Sequence[Path],
    judge: Callable[[Iterator[Document]], Iterable[Document | Dropped]],
    shard: int,
) -> None:
    if is_written(build, shard):
        return
    with ShardWriter(build, shard) as writer:
        for verdict in judge(read_documents([shards[shard]])):
            if isinstance(verdict, Document):
                writer.keep(verdict)
            else:
                writer.add_dropped(verdict)


def count_documents(folder: Path) -> int:
    """How many documents an artifact's folder keeps, from the Parquet footers."""
    return sum(pq.read_metadata(path).num_rows for path in shard_names(folder))


def tally(build: Build, shards: int, *, entered: int) -> Funnel:
    """The accounting of a finished stage, counted from its files."""
    kept = 0
    dropped: Counter[str] = Counter()
    for shard in range(shards):
        with build.local(_name("documents", shard)) as path:
            kept += pq.read_metadata(path).num_rows
        with build.local(_name("dropped", shard)) as path:
            dropped.update(pq.read_table(path, columns=["reason"])["reason"].to_pylist())
    return Funnel(entered, kept, dict(sorted(dropped.items())))


def _name(kind: str, shard: int) -> str:
    return f"{kind}/{shard:05}.parquet"


class _Rows:
    """Rows buffered into row groups of a Parquet file."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema):
        self.writer, self.schema = writer, schema
        self.buffer: list[dict[str, object]] = []

    def add(self, row: dict[str, object]) -> None:
        self.buffer.append(row)
        if len(self.buffer) == ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        if self.buffer:
            self.writer.write_table(pa.Table.from_pylist(self.buffer, schema=self.schema))
            self.buffer.clear()


@contextmanager
def _rows_file(build: Build, name: str, schema: pa.Schema) -> Iterator[_Rows]:
    with build.file(name) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = _Rows(writer, schema)
        yield rows
        rows.flush()


assert [field.name for field in fields(Document)] == DOCUMENT_SCHEMA.names
