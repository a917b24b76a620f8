"""Index segments: what a snapshot leaves behind so that later ones find its texts without reading them again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.dedup.config import DedupConfig
from assets.lsh import BandIndex
from assets.minhash import Signatures
from assets.shingles import Hashes
from resources.build import Build
from resources.errors import InputError

FOLDER = "index"
SUMMARY = f"{FOLDER}/segment.json"
ARRAYS = ("digests", "signatures", "band_keys", "band_entries", "ids", "stands")


@dataclass(frozen=True)
class Summary:
    """What a segment says of itself: its snapshot (None where it had no documents), those before it, its parameters.

    `entries` are the distinct texts that no earlier segment holds, `hashed` the documents that were
    read, `distinct` their distinct texts, `groups` those of two or more documents.
    """

    snapshot: str | None
    earlier: list[str | None]
    parameters: dict[str, int]
    entries: int
    hashed: int
    distinct: int
    groups: int
    largest_group: int


@dataclass(frozen=True)
class Segment:
    """One snapshot's distinct texts, in the order of their digests, dropped ones included.

    `digests` (2, n) uint64, upper and lower halves; `signatures` (n, k) uint16; `ids` (n, 16) the
    bytes of the document ids; `stands` (n, 2) uint32: the segment and entry of the document that
    was kept for this one (itself, where it was kept). Some 470 bytes a text with 16 × 7 hashes.
    """

    summary: Summary
    digests: Hashes
    signatures: Signatures
    bands: BandIndex
    ids: npt.NDArray[np.uint8]
    stands: npt.NDArray[np.uint32]

    def write(self, build: Build) -> None:
        """Put the segment's files in place, its summary last."""
        bands = self.bands
        arrays: list[npt.NDArray[Any]] = [
            self.digests,
            self.signatures,
            bands.keys,
            bands.entries,
            self.ids,
            self.stands,
        ]
        for name, array in zip(ARRAYS, arrays, strict=True):
            with build.file(f"{FOLDER}/{name}.npy") as path:
                np.save(path, array.astype(array.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
        build.write(SUMMARY, json.dumps(asdict(self.summary), indent=1, sort_keys=True))

    def find_exact(self, digests: Hashes) -> npt.NDArray[np.int64]:
        """The entry with each digest (2, n), or -1: binary search over the mapped file."""
        found = np.full(digests.shape[1], -1, np.int64)
        upper, lower = self.digests
        at = np.searchsorted(upper, digests[0], "left")
        pending = np.arange(len(at))
        while len(pending):
            pending = pending[at[pending] < len(upper)]
            pending = pending[upper[at[pending]] == digests[0, pending]]
            same = lower[at[pending]] == digests[1, pending]
            found[pending[same]] = at[pending[same]]
            pending = pending[~same]
            at[pending] += 1
        return found


def index_parameters(config: DedupConfig) -> dict[str, int]:
    """The settings that two segments must share to be searched together."""
    return {"shingle_words": config.shingle_words, "bands": config.bands, "rows": config.rows, "seed": config.seed}


def read_summary(path: Path) -> Summary:
    """The summary of a segment.

    Raises:
        InputError: if the file is missing or is no summary.
    """
    try:
        return Summary(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not the summary of an index segment ({error}); run `tidemill verify`") from error


def open_segments(folders: Sequence[Path], config: DedupConfig) -> list[Segment]:
    """Memory-map the segments of all earlier snapshots, oldest first.

    Raises:
        InputError: if one is damaged, was hashed otherwise than `config` says, or does not
            follow from those before it.
    """
    segments: list[Segment] = []
    for folder in folders:
        summary = read_summary(folder / SUMMARY)
        if summary.parameters != index_parameters(config):
            raise InputError(
                f"{folder / SUMMARY} was made with {summary.parameters}, but the spec says {index_parameters(config)}; "
                "make the earlier snapshots again with this spec"
            )
        before = [segment.summary.snapshot for segment in segments]
        if summary.earlier != before:
            raise InputError(
                f"{folder / SUMMARY} follows snapshots {summary.earlier}, but is given after {before}; "
                "pass every earlier snapshot, oldest first"
            )
        digests, signatures, keys, entries, ids, stands = (_map(folder / FOLDER / f"{name}.npy") for name in ARRAYS)
        segments.append(Segment(summary, digests, signatures, BandIndex(keys, entries), ids, stands))
    return segments


def _map(path: Path) -> npt.NDArray[Any]:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not an array of an index segment ({error}); run `tidemill verify`") from error
