"""Removing duplicates: hash every document once, decide all fates together, write the shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from assets.dedup.config import DedupConfig
from assets.dedup.fates import EARLIER_EXACT, EXACT, KEPT, REASONS, decide
from assets.dedup.segment import SUMMARY, open_segments, read_summary
from assets.dedup.signing import read_signed, sign_shard
from assets.documents import Document, Dropped, count_documents, read_documents, rows_file, shard_names, write_shards
from llm_core.durable import write_whole
from resources.build import Build, Outcome, Progress
from resources.compute import run_tasks


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row of `clusters/`: a dropped document, which one stands for it, and whether "exact" or "near"."""

    id: str
    kept_id: str
    kept_snapshot: str | None
    similarity: float
    kind: str


def remove_duplicates(build: Build, config: DedupConfig, extracted: Path, earlier: Sequence[Path]) -> Outcome:
    """Keep one document of each group of duplicates, and none of a group that an earlier snapshot has seen.

    Two documents are exact duplicates if their words are the same, near-duplicates if their
    signatures share a band and agree in `min_similarity` of their minima; a group is a connected
    component of such pairs. If a member is a duplicate of a document of an earlier snapshot, kept or
    dropped there, the whole group is dropped (`seen_earlier_exact`, `seen_earlier_near`): first seen
    wins. Otherwise the one that `config.keep` prefers stays, and the others are dropped
    (`exact_duplicate` if they have its words, else `near_duplicate`). The score is the estimated
    Jaccard similarity to the document that stands for the dropped one, in a chain of near-duplicates
    maybe below `min_similarity`.

    `earlier` are the folders of all earlier artifacts of this stage, oldest first. Only their
    indexes are read, memory-mapped; this snapshot's own is written to `index/`.

    Raises:
        InputError: if a shard or an earlier index is damaged or does not fit the spec.
    """
    shards = shard_names(extracted)
    run_tasks(build, "hashing documents", len(shards), partial(sign_shard, build, config, shards))
    fates = build.scratch / "fates.npy"
    if not fates.exists():

        def report(bands: int) -> None:
            build.report(Progress("comparing documents", bands, config.bands, "bands"))

        segment, decided = decide(read_signed(build, config, shards), open_segments(earlier, config), config, report)
        segment.write(build)
        write_whole(fates, lambda draft: np.save(draft, decided, allow_pickle=False))
    snapshots = [read_summary(folder / SUMMARY).snapshot for folder in earlier]
    judge = partial(_judge_shard, build, shards, fates, snapshots)
    funnel = write_shards(build, "writing documents", len(shards), count_documents(extracted), judge)
    with build.local(SUMMARY) as path:
        summary = read_summary(path)
    counts = {
        "hashed": summary.hashed,
        "distinct_texts": summary.distinct,
        "groups": summary.groups,
        "largest_group": summary.largest_group,
        "index_entries": summary.entries,
    }
    return Outcome({**funnel.stats(), **counts})


def _judge_shard(
    build: Build, shards: Sequence[Path], fates: Path, snapshots: Sequence[str | None], shard: int
) -> Iterator[Document | Dropped]:
    """What became of a shard's documents, by the fates of all shards; `snapshots` names the earlier segments."""
    start = sum(pq.read_metadata(path).num_rows for path in shards[:shard])
    own = np.load(fates, mmap_mode="r", allow_pickle=False)[start:]
    with rows_file(build, "clusters", shard, Duplicate) as add:
        for document, fate in zip(read_documents([shards[shard]]), own, strict=False):
            if fate["reason"] == KEPT:
                yield document
                continue
            stands = fate["kept_id"].tobytes().hex()
            snapshot = [*snapshots, document.snapshot][fate["kept_segment"]]
            kind = "exact" if fate["reason"] in (EXACT, EARLIER_EXACT) else "near"
            similarity = float(fate["similarity"])
            add(Duplicate(document.id, stands, snapshot, similarity, kind))
            yield Dropped(document.id, document.url, REASONS[fate["reason"]], similarity)
