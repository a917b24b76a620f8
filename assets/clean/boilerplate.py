"""Lines that a host repeats on its pages: cookie notices, breadcrumbs, calls to edit or subscribe."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import xxhash
from numpy.typing import NDArray

from assets.clean.characters import lines_of, repair_characters
from assets.clean.config import CleanConfig
from assets.documents import read_batches, read_documents, shard_names
from resources.build import Build
from resources.compute import run_tasks

# One appearance of a line on a page: which limit applies (two for each host), and the hash of host and line.
RECORD = np.dtype([("limit", "<u4"), ("line", "<u8")])
RECORDS_PER_BUCKET = 4_000_000
RECORDS_PER_FLUSH = 500_000
LINES_PER_PAGE = 64
_WORD = re.compile(r"\w+")


def repeated_lines(build: Build, config: CleanConfig, documents: Path) -> frozenset[int]:
    """Hashes (of host and line) of all lines on more than their share of a host's pages; short lines have their own.

    Memory is bounded: pages are counted from the URL column, lines are hashed to buckets on local
    disk by ranges of the hash, and a bucket is counted at a time. What was counted survives a kill.
    """
    pages = {host: count for host, count in sorted(_pages(documents).items()) if count >= config.boilerplate_min_pages}
    if not pages:
        return frozenset()
    shards = shard_names(documents)
    buckets = 1 + sum(pages.values()) * LINES_PER_PAGE // RECORDS_PER_BUCKET
    folder = build.scratch / "lines"
    scatter = partial(_scatter, config, shards, {host: place for place, host in enumerate(pages)}, buckets, folder)
    run_tasks(build, "count lines", len(shards), scatter)
    shares = (config.boilerplate_share, config.boilerplate_share_short)
    limits = np.array([share * count for count in pages.values() for share in shares])
    run_tasks(build, "find repeated lines", buckets, partial(_gather, len(shards), limits, folder), unit="buckets")
    return frozenset(line for bucket in range(buckets) for line in np.load(folder / f"repeated-{bucket}.npy").tolist())


def without_lines(text: str, host: str, repeated: Collection[int]) -> tuple[str, int]:
    """The text without its host's repeated lines, and how many went."""
    kept, removed = [], 0
    for line, is_code in lines_of(text):
        if is_code or not _may_be_boilerplate(line) or line_key(host, line) not in repeated:
            kept.append(line)
        else:
            removed += 1
    return "\n".join(kept), removed


def host_of(url: str) -> str:
    """The host of a URL in lower case; "" where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def line_key(host: str, line: str) -> int:
    """64-bit hash of a host and a line, the line's white space apart."""
    return xxhash.xxh3_64_intdigest(f"{host}\n{' '.join(line.split())}".encode())


def _pages(documents: Path) -> Counter[str]:
    pages: Counter[str] = Counter()
    for path in shard_names(documents):
        for batch in read_batches(path, ["url"]):
            pages.update(map(host_of, batch["url"].to_pylist()))
    return pages


def _scatter(
    config: CleanConfig, shards: Sequence[Path], hosts: dict[str, int], buckets: int, folder: Path, shard: int
) -> None:
    """Write the line records of a shard to its file of each bucket."""
    target = folder / f"shard-{shard}"
    if target.exists():
        return
    partial_folder = folder / f"partial-{shard}"
    partial_folder.mkdir(parents=True, exist_ok=True)
    for bucket in range(buckets):
        (partial_folder / str(bucket)).write_bytes(b"")
    for records in _chunks(_records(config, shards[shard], hosts), RECORDS_PER_FLUSH):
        chosen = (records["line"] % np.uint64(buckets)).astype(np.int64)
        for bucket in range(buckets):
            with (partial_folder / str(bucket)).open("ab") as file:
                file.write(records[chosen == bucket].tobytes())
    partial_folder.rename(target)


def _records(config: CleanConfig, shard: Path, hosts: dict[str, int]) -> Iterator[tuple[int, int]]:
    for document in read_documents([shard]):
        host = host_of(document.url)
        if host not in hosts:
            continue
        text = repair_characters(document.text, repair_mojibake=config.repair_mojibake).text
        lines = {
            line_key(host, line): _is_short(line, config.short_line_words)
            for line, is_code in lines_of(text)
            if not is_code and _may_be_boilerplate(line)
        }
        yield from ((2 * hosts[host] + is_short, line) for line, is_short in lines.items())


def _chunks(records: Iterator[tuple[int, int]], size: int) -> Iterator[NDArray[np.void]]:
    chunk: list[tuple[int, int]] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == size:
            yield np.array(chunk, RECORD)
            chunk = []
    yield np.array(chunk, RECORD)


def _gather(shards: int, limits: NDArray[np.float64], folder: Path, bucket: int) -> None:
    """Count a bucket's lines over all shards and keep those above their host's limit."""
    target = folder / f"repeated-{bucket}.npy"
    if target.exists():
        return
    records = np.concatenate([np.fromfile(folder / f"shard-{shard}" / str(bucket), RECORD) for shard in range(shards)])
    lines, first, counts = np.unique(records["line"], return_index=True, return_counts=True)
    repeated = lines[counts > limits[records["limit"][first]]]
    unfinished = folder / f"unfinished-{bucket}.npy"
    np.save(unfinished, repeated)
    unfinished.rename(target)


def _may_be_boilerplate(line: str) -> bool:
    """Headings are not: sections have the same names on many pages; nor are rules and brackets."""
    return not line.startswith("#") and _WORD.search(line) is not None


def _is_short(line: str, words: int) -> bool:
    return sum(1 for _ in zip(range(words), _WORD.finditer(line), strict=False)) < words
