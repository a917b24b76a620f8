"""Removing duplicates: hash every document once, decide all fates together, write the shards."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from assets.dedup.config import DedupConfig
from assets.dedup.fates import decide
from assets.dedup.segment import SUMMARY, open_segments, read_summary
from assets.dedup.signing import read_signed, scratch_file, sign
from assets.dedup.writing import write_shard
from assets.documents import count_documents, shard_names, tally
from resources.build import Build, Outcome, Progress
from resources.compute import run_tasks


def remove_duplicates(build: Build, config: DedupConfig, extracted: Path, earlier: Sequence[Path]) -> Outcome:
    """Keep one document of each group of duplicates, and none of a group that an earlier snapshot has seen.

    Two documents are exact duplicates if their words are the same, near-duplicates if their
    signatures share a band and agree in `min_similarity` of their minima. A group is a connected
    component of such pairs among this snapshot's documents. If a member is an exact or near
    duplicate of a document of an earlier snapshot, kept or dropped there, the whole group is
    dropped (`seen_earlier_exact` for documents whose words were seen before,
    `seen_earlier_near` for the others): first seen wins. Otherwise the document that
    `config.keep` prefers stays, and the others are dropped as `exact_duplicate` (same words as
    the one that stays) or `near_duplicate`. The score is the estimated Jaccard similarity to the
    document that stands for the dropped one; in a chain of near-duplicates it may lie below
    `min_similarity`.

    `earlier` are the folders of all earlier artifacts of this stage, oldest first. Only their
    indexes are read, memory-mapped; this snapshot's own is written to `index/`, and `clusters/`
    says for each dropped document which one stands for it.

    Raises:
        InputError: if a shard or an earlier index is damaged or does not fit the spec.
    """
    shards = shard_names(extracted)
    sign(build, config, extracted)
    if not _fates_file(build).exists():
        _decide(build, config, len(shards), earlier)
    snapshots = [read_summary(folder / SUMMARY).snapshot for folder in earlier]
    run_tasks(
        build, "writing documents", len(shards), partial(write_shard, build, shards, _fates_file(build), snapshots)
    )
    with build.local(SUMMARY) as path:
        summary = read_summary(path)
    counts = {
        "hashed": summary.hashed,
        "distinct_texts": summary.distinct,
        "groups": summary.groups,
        "largest_group": summary.largest_group,
        "index_entries": summary.entries,
    }
    return Outcome({**tally(build, len(shards), entered=count_documents(extracted)).stats(), **counts})


def _fates_file(build: Build) -> Path:
    return build.scratch / "fates.npy"


def _decide(build: Build, config: DedupConfig, shards: int, earlier: Sequence[Path]) -> None:
    """Write the index segment, and every document's fate to scratch, which marks this step as done."""

    def report(bands: int) -> None:
        build.report(Progress("comparing documents", bands, config.bands, "bands"))

    segment, fates = decide(read_signed(build, config, shards), open_segments(earlier, config), config, report)
    segment.write(build)
    with scratch_file(build, _fates_file(build)) as path:
        np.save(path, fates, allow_pickle=False)
