"""Signing: each document hashed once, shard by shard, into columns that the search for duplicates needs."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.dedup.config import DedupConfig
from assets.documents import ID_BYTES, ROW_GROUP, shard_names
from assets.minhash import MinHash, Signatures
from assets.shingles import Hashes, Shingler
from resources.build import Build
from resources.compute import run_tasks
from resources.errors import InputError


@dataclass(frozen=True)
class Signed:
    """The documents of one snapshot without their texts, in the order of their shards.

    `snapshot` is None where there are no documents. `ids` (n, 16) uint8, `digests` (2, n) uint64,
    `rank` (n,) says who stays in a group: the lowest.
    """

    snapshot: str | None
    ids: npt.NDArray[np.uint8]
    digests: Hashes
    rank: npt.NDArray[np.int64]
    _signatures: pa.ChunkedArray

    def signatures(self, documents: npt.NDArray[np.int64]) -> Signatures:
        """The signatures of these documents, (documents, k): all of them that comes into memory."""
        gathered = np.empty((len(documents), self._signatures.type.byte_width // 2), np.uint16)
        order = np.argsort(documents, kind="stable")
        chunks = self._signatures.chunks
        ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
        for chunk, end, places in zip(
            chunks, ends, np.split(order, np.searchsorted(documents[order], ends)), strict=False
        ):
            gathered[places] = _values(chunk).view("<u2")[documents[places] - end + len(chunk)]
        return gathered


def sign(build: Build, config: DedupConfig, extracted: Path) -> None:
    """Write each shard's columns to scratch; a shard that an earlier attempt finished is not hashed again."""
    shards = shard_names(extracted)
    run_tasks(build, "hashing documents", len(shards), partial(_sign_shard, build, config, shards))


def read_signed(build: Build, config: DedupConfig, shards: int) -> Signed:
    """What `sign` wrote, memory-mapped where it is large.

    Raises:
        InputError: if the documents are of more than one snapshot.
    """
    parts = [pa.ipc.open_file(pa.memory_map(str(_part(build, shard)))).read_all() for shard in range(shards)]
    table = pa.concat_tables(parts) if parts else _schema(config).empty_table()
    snapshots = sorted(pc.unique(table["snapshot"]).to_pylist())
    if len(snapshots) > 1:
        raise InputError(f"deduplication takes one snapshot at a time, but the documents are of {', '.join(snapshots)}")
    return Signed(
        snapshot=snapshots[0] if snapshots else None,
        ids=np.concatenate([np.empty((0, ID_BYTES), np.uint8), *map(_values, table["id"].chunks)]),
        digests=np.stack([table["digest_upper"].to_numpy(), table["digest_lower"].to_numpy()]),
        rank=_rank(table, config.keep),
        _signatures=table["signature"],
    )


def read_columns(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a document shard, a row group at a time.

    Raises:
        InputError: if it is no Parquet file or lacks one of these columns.
    """
    try:
        with pq.ParquetFile(path) as file:
            missing = set(names) - set(file.schema_arrow.names)
            if missing:
                raise InputError(f"{path} has no column {', '.join(sorted(missing))}; run `tidemill verify`")
            yield from file.iter_batches(ROW_GROUP, columns=list(names))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Tidemill document shard ({error}); run `tidemill verify`") from error


def _part(build: Build, shard: int) -> Path:
    return build.scratch / "signed" / f"{shard:05}.arrow"


def _schema(config: DedupConfig) -> pa.Schema:
    return pa.schema(
        [
            ("id", pa.binary(ID_BYTES)),
            ("url", pa.large_string()),
            ("snapshot", pa.string()),
            ("characters", pa.int64()),
            ("digest_upper", pa.uint64()),
            ("digest_lower", pa.uint64()),
            ("signature", pa.binary(2 * config.bands * config.rows)),
        ]
    )


def _sign_shard(build: Build, config: DedupConfig, shards: Sequence[Path], shard: int) -> None:
    if _part(build, shard).exists():
        return
    shingler = Shingler(config.shingle_words, config.seed)
    minhash = MinHash(config.bands, config.rows, config.seed)
    schema = _schema(config)
    with scratch_file(build, _part(build, shard)) as path, pa.ipc.new_file(path, schema) as writer:
        for batch in read_columns(shards[shard], ["id", "url", "text", "snapshot"]):
            for name in batch.schema.names:
                if batch[name].null_count:
                    raise InputError(f"{shards[shard]}: a document has no {name}; run `tidemill verify`")
            shingles = shingler.cut(batch["text"].to_pylist())
            columns = [
                _binary(_id_bytes(batch["id"].to_pylist(), shards[shard])),
                batch["url"].cast(pa.large_string()),
                batch["snapshot"].cast(pa.string()),
                pc.utf8_length(batch["text"]).cast(pa.int64()),
                pa.array(shingles.digests[:, 0]),
                pa.array(shingles.digests[:, 1]),
                _binary(minhash.signatures(shingles).astype("<u2", copy=False).view(np.uint8)),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


@contextmanager
def scratch_file(build: Build, target: Path) -> Iterator[str]:
    """A path to write; it becomes `target`, in the build's scratch, when the block ends well."""
    partial = build.scratch / "partial" / f"{uuid.uuid4().hex}-{target.name}"
    for folder in (partial.parent, target.parent):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield str(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _rank(table: pa.Table, keep: str) -> npt.NDArray[np.int64]:
    """The place of each document in the order in which they are preferred."""
    keys: dict[str, tuple[pa.ChunkedArray, str]] = {
        "longest": (table["characters"], "descending"),
        "shortest_url": (pc.utf8_length(table["url"]), "ascending"),
        "first_url": (table["url"], "ascending"),
    }
    key, direction = keys[keep]
    columns = pa.table({"key": key, "url": table["url"]})
    order = pc.sort_indices(columns, sort_keys=[("key", direction), ("url", "ascending")]).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _id_bytes(ids: list[str], path: Path) -> npt.NDArray[np.uint8]:
    try:
        joined = b"".join(map(bytes.fromhex, ids))
        return np.frombuffer(joined, np.uint8).reshape(len(ids), ID_BYTES)
    except ValueError as error:
        raise InputError(
            f"{path}: a document id is not {2 * ID_BYTES} hex digits; extract the snapshot again"
        ) from error


def _binary(rows: npt.NDArray[np.uint8]) -> pa.Array:
    count, width = rows.shape
    return pa.Array.from_buffers(pa.binary(width), count, [None, pa.py_buffer(np.ascontiguousarray(rows))])


def _values(array: pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of a fixed-size binary array, (rows, width), not copied."""
    width = array.type.byte_width
    held = np.frombuffer(array.buffers()[1], np.uint8, len(array) * width, array.offset * width)
    return held.reshape(len(array), width)
