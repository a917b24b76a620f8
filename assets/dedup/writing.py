"""Writing: the shards of what stays, of what was dropped, and of which document stands for which."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from assets.dedup.fates import EARLIER_EXACT, EXACT, KEPT, REASONS
from assets.dedup.signing import read_columns
from assets.documents import DOCUMENT_SCHEMA, DROPPED_SCHEMA, ROW_GROUP, is_written
from resources.build import Build

CLUSTER_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("kept_id", pa.string()),
        ("kept_snapshot", pa.string()),
        ("similarity", pa.float32()),
        ("kind", pa.string()),
    ]
)
"""One row for each dropped document in `clusters/`: which document stands for it, from which snapshot."""


def write_shard(build: Build, shards: Sequence[Path], fates: Path, snapshots: Sequence[str | None], shard: int) -> None:
    """Write a shard's documents, drops and clusters; the documents appear last and say that all are there.

    `fates` is a file of `FATE`s in the order of all shards, `snapshots` names the earlier segments.
    """
    if is_written(build, shard):
        return
    start = sum(pq.read_metadata(path).num_rows for path in shards[:shard])
    all_fates = np.load(fates, mmap_mode="r", allow_pickle=False)
    with ExitStack() as files:
        kept, dropped, clusters = (
            files.enter_context(_table(build, f"{kind}/{shard:05}.parquet", schema))
            for kind, schema in (
                ("documents", DOCUMENT_SCHEMA),
                ("dropped", DROPPED_SCHEMA),
                ("clusters", CLUSTER_SCHEMA),
            )
        )
        for batch in read_columns(shards[shard], DOCUMENT_SCHEMA.names):
            fate = all_fates[start : start + len(batch)]
            start += len(batch)
            stays = fate["reason"] == KEPT
            kept.add(batch.filter(pa.array(stays)))
            gone, fate = batch.filter(pa.array(~stays)), fate[~stays]
            dropped.add(_dropped(gone, fate))
            clusters.add(_clusters(gone, fate, snapshots))


def _dropped(documents: pa.RecordBatch, fates: npt.NDArray[np.void]) -> pa.RecordBatch:
    reasons = pa.array(np.array(REASONS)[fates["reason"]], pa.string())
    columns = [documents["id"], documents["url"], reasons, pa.array(fates["similarity"])]
    return pa.record_batch(columns, schema=DROPPED_SCHEMA)


def _clusters(
    documents: pa.RecordBatch, fates: npt.NDArray[np.void], snapshots: Sequence[str | None]
) -> pa.RecordBatch:
    own = len(snapshots)
    kept_snapshots = [
        snapshot if place == own else snapshots[place]
        for place, snapshot in zip(fates["kept_segment"].tolist(), documents["snapshot"].to_pylist(), strict=True)
    ]
    is_exact = np.isin(fates["reason"], (EXACT, EARLIER_EXACT))
    columns = [
        documents["id"],
        pa.array([row.tobytes().hex() for row in fates["kept_id"]], pa.string()),
        pa.array(kept_snapshots, pa.string()),
        pa.array(fates["similarity"]),
        pa.array(np.where(is_exact, "exact", "near"), pa.string()),
    ]
    return pa.record_batch(columns, schema=CLUSTER_SCHEMA)


class _Rows:
    """Record batches gathered into row groups of at least `ROW_GROUP` rows."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema):
        self._writer, self._schema = writer, schema
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        if sum(map(len, self._batches)) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        table = pa.Table.from_batches(self._batches, self._schema)
        if len(table):
            self._writer.write_table(table)
        self._batches.clear()


@contextmanager
def _table(build: Build, name: str, schema: pa.Schema) -> Iterator[_Rows]:
    with build.file(name) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = _Rows(writer, schema)
        yield rows
        rows.flush()
