"""Signing: each document hashed once, shard by shard, into what the search for duplicates needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.dedup.config import DedupConfig
from assets.documents import ID_BYTES, read_batches
from assets.minhash import MinHash, Signatures
from assets.shingles import Hashes, Shingler
from llm_core.durable import write_whole
from resources.build import Build
from resources.errors import InputError

Rows = npt.NDArray[np.void]


@dataclass(frozen=True)
class Signed:
    """The documents of one snapshot without their texts, in the order of their shards.

    `snapshot` is None where there are no documents. `ids` (n, 16) uint8, `digests` (2, n) uint64,
    `signatures` (n, k) uint16, `rank` (n,) says who stays in a group: the lowest.
    """

    snapshot: str | None
    ids: npt.NDArray[np.uint8]
    digests: Hashes
    signatures: Signatures
    rank: npt.NDArray[np.int64]


def sign_shard(build: Build, config: DedupConfig, shards: Sequence[Path], shard: int) -> None:
    """Write what a shard's texts are like to scratch, if no earlier attempt has."""
    target = _signed_file(build, shard)
    if target.exists():
        return
    shingler = Shingler(config.shingle_words, config.seed)
    minhash = MinHash(config.bands, config.rows, config.seed)
    signed = [_empty(config, 0)]
    for batch in read_batches(shards[shard], ["id", "text"]):
        texts = batch["text"].to_pylist()
        shingles = shingler.cut(texts)
        rows = _empty(config, len(texts))
        ids = bytes.fromhex("".join(batch["id"].to_pylist()))
        rows["id"] = np.frombuffer(ids, np.uint8).reshape(-1, ID_BYTES)
        rows["digest"] = shingles.digests
        rows["characters"] = [len(text) for text in texts]
        rows["signature"] = minhash.signatures(shingles)
        signed.append(rows)
    write_whole(target, lambda draft: np.save(draft, np.concatenate(signed), allow_pickle=False))


def read_signed(build: Build, config: DedupConfig, shards: Sequence[Path]) -> Signed:
    """What was signed, its signatures mapped from scratch, with the rank that each document's length and URL give it.

    Raises:
        InputError: if the documents are of more than one snapshot.
    """
    parts = [np.load(_signed_file(build, shard), mmap_mode="r", allow_pickle=False) for shard in range(len(shards))]
    shape = (sum(map(len, parts)),)
    build.scratch.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(build.scratch / "signed.npy", "w+", _empty(config, 0).dtype, shape)
    np.concatenate([_empty(config, 0), *parts], out=rows)
    batches = [batch for path in shards for batch in read_batches(path, ["url", "snapshot"])]
    table = pa.Table.from_batches(batches, pa.schema([("url", pa.string()), ("snapshot", pa.string())]))
    snapshots = sorted(pc.unique(table["snapshot"]).to_pylist())
    if len(snapshots) > 1:
        raise InputError(f"deduplication takes one snapshot at a time, but the documents are of {', '.join(snapshots)}")
    return Signed(
        snapshot=snapshots[0] if snapshots else None,
        ids=rows["id"],
        digests=np.ascontiguousarray(rows["digest"].T),
        signatures=rows["signature"],
        rank=_rank(rows, table["url"], config.keep),
    )


def _signed_file(build: Build, shard: int) -> Path:
    return build.scratch / "signed" / f"{shard:05}.npy"


def _empty(config: DedupConfig, count: int) -> Rows:
    fields = [
        ("id", "u1", ID_BYTES),
        ("digest", "<u8", 2),
        ("characters", "<i8"),
        ("signature", "<u2", config.bands * config.rows),
    ]
    return np.empty(count, fields)


def _rank(rows: Rows, urls: pa.ChunkedArray, keep: str) -> npt.NDArray[np.int64]:
    """The place of each document in the order in which they are preferred."""
    keys = {"longest": pa.array(-rows["characters"]), "shortest_url": pc.utf8_length(urls), "first_url": urls}
    preference = [("key", "ascending"), ("url", "ascending")]
    order = pc.sort_indices(pa.table({"key": keys[keep], "url": urls}), sort_keys=preference).to_numpy()
    return np.argsort(order)
