"""Token shards in a build: one for each shard of documents and split, put in place whole, the indexes last.

What a finished shard holds is remembered in the build's scratch folder, so that after a kill it is
neither made nor counted again.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from llm_core.durable import write_json
from llm_core.feed.shards import INDEX, ShardEntry, TokenDocument, write_index, write_shard
from resources.build import Build

SPLITS = ("train", "held_out")


def put_shard(build: Build, folder: str, number: int, documents: Iterable[TokenDocument], vocab_size: int) -> None:
    """Write one shard of a folder of the build; one without documents leaves no files."""
    scratch = build.scratch / "shards" / folder
    entry = write_shard(scratch, number, documents, vocab_size)
    for suffix in ("spans.npy", "loss.bin", "tokens.bin"):
        path = scratch / f"{entry.name}.{suffix}"
        if entry.documents and path.exists():
            with build.file(f"{folder}/{path.name}") as target:
                os.replace(path, target)


def put_index(
    build: Build, folder: str, entries: Sequence[ShardEntry], vocab_size: int, *, has_loss: bool = False
) -> None:
    """Write the index of a folder, last of all; shards without documents are not in it."""
    scratch = build.scratch / "shards" / folder
    full = [entry for entry in entries if entry.documents]
    write_index(scratch, full, vocab_size, has_loss=has_loss and bool(full))
    with build.file(f"{folder}/{INDEX}") as target:
        os.replace(scratch / INDEX, target)


def remember(build: Build, number: int, counts: dict[str, Any]) -> None:
    """Note what a shard holds, once all its files are in place: from then on it is finished."""
    write_json(build.scratch / "counts" / f"{number:05}.json", counts)


def recall(build: Build, number: int) -> dict[str, Any] | None:
    """What a finished shard holds; None where it is not finished."""
    path = build.scratch / "counts" / f"{number:05}.json"
    return dict(json.loads(path.read_text())) if path.exists() else None
