"""No training page of a snapshot may hold what the model is judged on: word n-grams, compared with held-out documents.

A first pass over the shards hashes the n-grams of the held-out documents, into scratch files that a killed build finds
again; in the stage's last pass each training document is compared with them. Memory holds the held-out documents'
n-grams, never the training documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assets.documents import Document, read_documents, shard_names
from assets.quality.config import QualityConfig
from assets.quality.judge import Judge
from assets.quality.words import plain_words
from assets.shingles import Hashes, Shingler
from assets.split import split_of_url
from llm_core.durable import write_whole
from resources.build import Build
from resources.compute import run_tasks

Source = tuple[Path, Judge | None]
"""A shard whose held-out documents judge the model; where they still have to pass, the judge that decides."""


def index_evaluation(
    build: Build, config: QualityConfig, shards: Sequence[Path], earlier: Sequence[Path], model: Path | None
) -> tuple[Path, dict[str, int]]:
    """Index the held-out documents of this snapshot and of earlier ones; the index's file, and how many there are."""
    folder = build.scratch / "evaluation"
    sources: list[Source] = [(shard, Judge(config, model)) for shard in shards]
    sources += [(shard, None) for kept in earlier for shard in shard_names(kept)]
    run_tasks(build, "index held-out pages", len(sources), partial(_hash_source, folder, config, sources))
    hashed = [np.load(_hashed_file(folder, source)) for source in range(len(sources))]
    hashes, sizes = (_joined(part[name] for part in hashed) for name in ("hashes", "sizes"))
    path = folder / "index.npz"
    EvaluationIndex.of(hashes, sizes.astype(np.int64)).save(path)
    return path, {"evaluation_documents": len(sizes), "evaluation_ngrams": len(np.unique(hashes))}


def _hash_source(folder: Path, config: QualityConfig, sources: Sequence[Source], source: int) -> None:
    """Hash a shard's held-out documents: their n-grams one after the other, and the number of each."""
    target = _hashed_file(folder, source)
    if target.exists():
        return
    shard, judge = sources[source]
    held_out = (d for d in read_documents([shard]) if split_of_url(d.url, config.split) == "held_out")
    hashes = [
        ngram_hashes(document.text, config.decontamination.ngram_words)
        for document in held_out
        if judge is None or isinstance(judge(document), Document)
    ]
    sizes = np.array([*map(len, hashes)], np.uint64)
    write_whole(target, lambda draft: np.savez(draft, hashes=_joined(hashes), sizes=sizes))


def _hashed_file(folder: Path, source: int) -> Path:
    return folder / f"source-{source:05}.npz"


def _joined(parts: Iterable[Hashes]) -> Hashes:
    return np.concatenate([np.empty(0, np.uint64), *parts])


def ngram_hashes(text: str, n: int) -> Hashes:
    """64-bit hashes of the distinct word n-grams of a text, ascending; none where it has fewer than n words.

    Words are those of `plain_words`, so case, layout and punctuation do not hide a copy.
    """
    words = plain_words(text)
    return np.unique(_shingler(n).cut([" ".join(words)]).of(0)) if len(words) >= n else np.empty(0, np.uint64)


@cache
def _shingler(n: int) -> Shingler:
    return Shingler(length=n, seed=0)


@dataclass(frozen=True)
class EvaluationIndex:
    """Sorted n-gram hashes (`hashes`), the evaluation document of each (`owners`), and how many each has (`sizes`)."""

    hashes: Hashes
    owners: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, hashes: Hashes, sizes: npt.NDArray[np.int64]) -> EvaluationIndex:
        """An index of documents, given by their distinct hashes one after the other and the number of each."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], np.repeat(np.arange(len(sizes)), sizes)[order], sizes)

    def largest_overlap(self, hashes: Hashes, least: int) -> float:
        """The largest share of n-grams in common with one evaluation document, 0 where fewer than `least` are.

        The share is of the shorter of the two (the overlap coefficient; Szymkiewicz, 1934), so a whole evaluation
        document inside a long page counts as 1. `hashes` are distinct.
        """
        starts, stops = (np.searchsorted(self.hashes, hashes, side=side) for side in ("left", "right"))
        found = np.flatnonzero(starts < stops)
        if len(found) < least:
            return 0.0
        owners = np.concatenate([self.owners[starts[place] : stops[place]] for place in found])
        documents, shared = np.unique(owners, return_counts=True)
        shares = shared / np.minimum(self.sizes[documents], len(hashes))
        return float(np.max(shares, where=shared >= least, initial=0.0))

    def save(self, path: Path) -> None:
        write_whole(path, lambda draft: np.savez(draft, **vars(self)))

    @classmethod
    def load(cls, path: Path) -> EvaluationIndex:
        with np.load(path) as stored:
            return cls(**stored)
