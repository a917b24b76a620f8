"""Lines that a host repeats on its pages: cookie notices, breadcrumbs, calls to edit or subscribe."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xxhash

from assets.clean.characters import lines_of, repair_characters
from assets.clean.config import CleanConfig
from assets.documents import read_batches, read_documents, shard_names
from assets.split import host_of
from llm_core.durable import write_whole
from resources.build import Build
from resources.compute import run_tasks

# One appearance of a line on a page: the hash of host and line, and which limit applies (two for each host).
RECORD = np.dtype([("line", "<u8"), ("limit", "<u4")])
RECORDS_AT_ONCE = 4_000_000
_WORD = re.compile(r"\w+")


def repeated_lines(build: Build, config: CleanConfig, documents: Path) -> frozenset[int]:
    """Hashes (of host and line) of all lines on more than their share of a host's pages; short lines have their own.

    Memory is bounded: lines are hashed shard by shard to local disk, sorted, and counted a range of
    hashes at a time. What was hashed survives a kill.
    """
    pages: Counter[str] = Counter()
    shards = shard_names(documents)
    for path in shards:
        for batch in read_batches(path, ["url"]):
            pages.update(map(host_of, batch["url"].to_pylist()))
    hosts = [host for host, count in pages.items() if count >= config.boilerplate_min_pages]
    places = {host: place for place, host in enumerate(hosts)}
    folder = build.scratch / "lines"
    run_tasks(build, "count lines", len(shards), partial(_hash_shard, config, shards, places, folder))
    shares = (config.boilerplate_share, config.boilerplate_share_short)
    limits = np.array([share * pages[host] for host in hosts for share in shares])
    hashed = [np.load(folder / f"{shard:05}.npy", mmap_mode="r") for shard in range(len(shards))]
    ranges = 1 + sum(map(len, hashed)) // RECORDS_AT_ONCE
    edges = np.array([(number << 64) // ranges for number in range(1, ranges)], np.uint64)
    repeated: set[int] = set()
    for parts in zip(*(np.split(shard, np.searchsorted(shard["line"], edges)) for shard in hashed), strict=True):
        records = np.concatenate(parts)
        lines, first, counts = np.unique(records["line"], return_index=True, return_counts=True)
        if len(lines):
            repeated.update(lines[counts > limits[records["limit"][first]]].tolist())
    return frozenset(repeated)


def without_lines(text: str, host: str, repeated: Collection[int]) -> tuple[str, int]:
    """The text without its host's repeated lines, and how many went."""
    kept, removed = [], 0
    for line, is_code in lines_of(text):
        if _may_be_boilerplate(line, is_code) and line_key(host, line) in repeated:
            removed += 1
        else:
            kept.append(line)
    return "\n".join(kept), removed


def line_key(host: str, line: str) -> int:
    """64-bit hash of a host and a line, the line's white space apart."""
    return xxhash.xxh3_64_intdigest(f"{host}\n{' '.join(line.split())}".encode())


def _hash_shard(
    config: CleanConfig, shards: Sequence[Path], places: Mapping[str, int], folder: Path, shard: int
) -> None:
    """Write the records of a shard's pages, in the order of their hashes."""
    target = folder / f"{shard:05}.npy"
    if target.exists():
        return
    found = [np.empty(0, RECORD)]
    for document in read_documents([shards[shard]]):
        host = host_of(document.url)
        if host in places:
            text = repair_characters(document.text, repair_mojibake=config.repair_mojibake).text
            limits = {
                line_key(host, line): 2 * places[host] + _is_short(line, config.short_line_words)
                for line, is_code in lines_of(text)
                if _may_be_boilerplate(line, is_code)
            }
            found.append(np.array(list(limits.items()), RECORD))
    records = np.concatenate(found)
    in_order = records[np.argsort(records["line"])]
    write_whole(target, lambda draft: np.save(draft, in_order, allow_pickle=False))


def _may_be_boilerplate(line: str, is_code: bool) -> bool:
    """Headings are not: sections have the same names on many pages; nor are rules and brackets."""
    return not is_code and not line.startswith("#") and _WORD.search(line) is not None


def _is_short(line: str, words: int) -> bool:
    return sum(1 for _ in zip(range(words), _WORD.finditer(line), strict=False)) < words
