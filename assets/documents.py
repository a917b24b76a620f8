"""Documents on disk: one Parquet schema for every stage, sharded by URL, with all that was dropped beside it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from resources.build import Build
from resources.compute import run_tasks
from resources.errors import InputError

ROW_GROUP = 1024
ID_BYTES = 16
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Document:
    """One page's text and what the stages found out about it; None where no stage has said yet.

    `id` names the page in its snapshot, `split` is "train" or "held_out", scores lie in [0, 1].
    """

    id: str
    url: str
    text: Annotated[str, pa.large_string()]
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

    def stats(self) -> dict[str, object]:
        return {"entered": self.entered, "kept": self.kept, "dropped": self.dropped}


def schema_of(row: type) -> pa.Schema:
    """The Parquet schema of a dataclass; a field that is `Annotated` says its own column type."""
    columns = {str: pa.string(), str | None: pa.string(), float: pa.float32(), float | None: pa.float32()}
    hints = get_type_hints(row, include_extras=True)
    return pa.schema([(name, columns.get(hint) or hint.__metadata__[0]) for name, hint in hints.items()])


DOCUMENT_SCHEMA = schema_of(Document)


def document_id(url: str, snapshot: str) -> str:
    """The id of a page in a snapshot: BLAKE2b of both, 32 hex digits."""
    return hashlib.blake2b(f"{snapshot} {url}".encode(), digest_size=ID_BYTES).hexdigest()


def shard_of(url: str, shards: int) -> int:
    """The shard that a URL's documents lie in, in every stage and snapshot."""
    return int.from_bytes(hashlib.blake2b(url.encode(), digest_size=8).digest(), "big") % shards


def shard_names(folder: Path, kind: str = "documents") -> list[Path]:
    """The shard files of an artifact, in order; `kind` is the folder that they lie in."""
    return sorted((folder / kind).glob("*.parquet"))


def count_documents(folder: Path, kind: str = "documents") -> int:
    """How many documents an artifact's folder keeps."""
    return sum(batch.num_rows for path in shard_names(folder, kind) for batch in read_batches(path, []))


def read_documents(source: Path | Sequence[Path]) -> Iterator[Document]:
    """Documents of an artifact's folder or of shard files, streamed a row group at a time."""
    for path in shard_names(source) if isinstance(source, Path) else source:
        yield from read_rows(path, Document)


def held_out(corpora: Sequence[Path]) -> Iterator[Document]:
    """The held-out documents of several corpora, streamed."""
    return (document for folder in corpora for document in read_documents(folder) if document.split == "held_out")


def read_dropped(source: Path | Sequence[Path]) -> Iterator[Dropped]:
    """What a stage dropped, from an artifact's folder or from shard files."""
    for path in shard_names(source, "dropped") if isinstance(source, Path) else source:
        yield from read_rows(path, Dropped)


def read_rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    """The rows of a shard file as values of a dataclass."""
    for batch in read_batches(path, schema_of(kind).names):
        yield from (kind(**row) for row in batch.to_pylist())


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
        raise InputError(f"{path} is not a Tidemill shard ({error}); run `tidemill verify`") from error


def read_written(
    build: Build, shards: int, columns: Sequence[str], kind: str = "documents"
) -> Iterator[pa.RecordBatch]:
    """Some columns of the shards that a build has written."""
    for shard in range(shards):
        with build.local(_name(kind, shard)) as path:
            yield from read_batches(path, columns)


@contextmanager
def rows_file(build: Build, kind: str, shard: int, row: type[Row]) -> Iterator[Callable[[Row], None]]:
    """A shard file of the build, put in place whole when the block ends; what is yielded adds a row to it."""
    schema = schema_of(row)
    rows: list[dict[str, Any]] = []
    with build.file(_name(kind, shard)) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def add(value: Row) -> None:
            rows.append(asdict(value))  # type: ignore[call-overload]  # a dataclass, which no type can say
            if len(rows) == ROW_GROUP:
                flush()

        yield add
        if rows:
            flush()


Verdicts = Iterable[Document | Dropped]


def write_shards(build: Build, label: str, shards: int, entered: int, judge: Callable[[int], Verdicts]) -> Funnel:
    """Fill all shards of a stage over the build's workers, but for those that are there already.

    `judge` gets the number of a shard and gives back, for each of its documents in order, the
    (changed) document to keep or why it was dropped; it must be picklable. Returns the accounting.
    """
    run_tasks(build, label, shards, partial(write_shard, build, judge))
    kept = sum(len(batch) for batch in read_written(build, shards, ["snapshot"]))
    dropped: Counter[str] = Counter()
    for batch in read_written(build, shards, ["reason"], "dropped"):
        dropped.update(batch["reason"].to_pylist())
    return Funnel(entered, kept, dict(sorted(dropped.items())))


def write_shard(build: Build, judge: Callable[[int], Verdicts], shard: int) -> None:
    """Write one shard of a stage, both of its files or neither, if no earlier attempt has."""
    if build.has(_name("documents", shard)):
        return
    # The documents are put in place last: they say that the shard is finished.
    with rows_file(build, "documents", shard, Document) as keep, rows_file(build, "dropped", shard, Dropped) as drop:
        for verdict in judge(shard):
            if isinstance(verdict, Document):
                keep(verdict)
            else:
                drop(verdict)


def _name(kind: str, shard: int) -> str:
    return f"{kind}/{shard:05}.parquet"
