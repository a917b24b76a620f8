"""No training page may hold what the model is judged on: word n-grams, counted against every evaluation document.

Three passes over shards: the n-grams of the evaluation documents; on how many hosts and in how many documents each
stands; then, in the stage's last pass, what each training document holds. The first two leave scratch files, which a
killed build finds again.
Memory holds the evaluation sets' n-grams, never the training documents.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from xxhash import xxh3_64_intdigest

from assets.documents import Document, read_documents, shard_names
from assets.quality.config import DecontaminationConfig, EvaluationFile, QualityConfig
from assets.quality.evaluation_index import EvaluationIndex, ngram_hashes
from assets.quality.judge import Judge
from assets.shingles import Hashes, Offsets
from assets.split import host_of, split_of_url
from resources.build import Build
from resources.compute import run_tasks
from resources.errors import InputError

BOILERPLATE = "boilerplate_ngrams.npy"


@dataclass(frozen=True)
class Decontaminator:
    """Finds training documents that hold an evaluation document's text; picklable, opens its index when first asked."""

    config: DecontaminationConfig
    folder: Path

    def share(self, text: str) -> float:
        """The largest share of n-grams that a text has in common with one evaluation document, boilerplate apart."""
        hashes = ngram_hashes(text, self.config.ngram_words)
        hashes = hashes[~np.isin(hashes, self._boilerplate)]
        return round(self._index.largest_overlap(hashes, self.config.min_ngrams), 4)

    @cached_property
    def _index(self) -> EvaluationIndex:
        return EvaluationIndex.load(self.folder)

    @cached_property
    def _boilerplate(self) -> Hashes:
        return np.asarray(np.load(self.folder / BOILERPLATE))

    def __reduce__(self) -> tuple[type[Decontaminator], tuple[DecontaminationConfig, Path]]:
        return Decontaminator, (self.config, self.folder)


@dataclass(frozen=True)
class EvaluationSets:
    """Where evaluation documents come from: shards of this snapshot, then of earlier ones, then files of the spec."""

    config: QualityConfig
    judge: Judge
    own: Sequence[Path]
    others: Sequence[Path | EvaluationFile]

    def __len__(self) -> int:
        return len(self.own) + len(self.others)

    def read(self, number: int) -> Iterator[tuple[str, str]]:
        """(host, text) of every evaluation document of a source; a file counts as a host."""
        if number < len(self.own):
            for document in read_documents([self.own[number]]):
                is_held_out = split_of_url(document.url, self.config.split) == "held_out"
                if is_held_out and isinstance(self.judge(document), Document):
                    yield host_of(document.url), document.text
            return
        source = self.others[number - len(self.own)]
        if isinstance(source, EvaluationFile):
            yield from ((source.path, text) for text in _read_evaluation_file(source))
        else:
            held_out = (document for document in read_documents([source]) if document.split == "held_out")
            yield from ((host_of(document.url), document.text) for document in held_out)


def prepare(
    build: Build, config: QualityConfig, cleaned: Path, earlier: Sequence[Path], judge: Judge
) -> tuple[Decontaminator, dict[str, int]]:
    """Index the evaluation sets, find their boilerplate, and say how many there are of each.

    Writes `boilerplate_ngrams.npy` into the build: what is boilerplate in one snapshot stays it in later ones.

    Raises:
        InputError: if an evaluation file is not the one that the spec names, or a record of it has no text.
    """
    shards = shard_names(cleaned)
    kept = [path for folder in earlier for path in shard_names(folder)]
    sets = EvaluationSets(config, judge, shards, [*kept, *config.decontamination.evaluation_files])
    folder = build.scratch / "evaluation"
    run_tasks(build, "index evaluation sets", len(sets), partial(_index_source, folder, sets), unit="sources")
    sources = [_load_source(folder, source) for source in range(len(sets))]
    documents = (np.split(hashes, np.cumsum(sizes)[:-1]) if len(sizes) else [] for hashes, sizes, _ in sources)
    index = EvaluationIndex.of(list(chain.from_iterable(documents)))
    index.save(_made(folder / "all"))
    run_tasks(build, "count boilerplate", len(shards), partial(_match_shard, folder, config, shards))
    tallies = [_tally(hashes, np.repeat(hosts, sizes)) for hashes, sizes, hosts in sources]
    tallies += [np.load(folder / f"matches-{shard:05}.npy") for shard in range(len(shards))]
    known = [np.load(path / BOILERPLATE) for path in earlier if (path / BOILERPLATE).exists()]
    boilerplate = np.unique(np.concatenate([_boilerplate(tallies, config.decontamination), *known]))
    index.without(boilerplate).save(_made(folder / "counted"))
    with build.file(BOILERPLATE) as path, path.open("wb") as file:
        np.save(file, boilerplate)
    counts = {
        "evaluation_documents": sum(len(sizes) for _, sizes, _ in sources),
        "evaluation_ngrams": len(np.unique(index.hashes)),
        "boilerplate_ngrams": len(boilerplate),
    }
    np.save(folder / "counted" / BOILERPLATE, boilerplate)
    return Decontaminator(config.decontamination, folder / "counted"), counts


def _index_source(folder: Path, sets: EvaluationSets, source: int) -> None:
    """Hash one source's documents: their n-grams one after the other, the number of each, the host of each."""
    target = folder / f"source-{source:05}.npz"
    if target.exists():
        return
    hashes: list[Hashes] = []
    hosts: list[int] = []
    for host, text in sets.read(source):
        hashes.append(ngram_hashes(text, sets.config.decontamination.ngram_words))
        hosts.append(xxh3_64_intdigest(host))
    sizes = np.array([len(part) for part in hashes], np.int64)
    flat = np.concatenate([np.empty(0, np.uint64), *hashes])
    _put(target, lambda file: np.savez(file, hashes=flat, sizes=sizes, hosts=np.array(hosts, np.uint64)))


def _match_shard(folder: Path, config: QualityConfig, shards: Sequence[Path], shard: int) -> None:
    """Count how often the training documents of a shard hold each evaluation n-gram, by host."""
    target = folder / f"matches-{shard:05}.npy"
    if target.exists():
        return
    index = EvaluationIndex.load(folder / "all")
    found: list[Hashes] = []
    hosts: list[Hashes] = []
    for document in read_documents([shards[shard]]) if len(index.hashes) else ():
        if split_of_url(document.url, config.split) == "train":
            found.append(index.matched(ngram_hashes(document.text, config.decontamination.ngram_words)))
            hosts.append(np.full(len(found[-1]), xxh3_64_intdigest(host_of(document.url)), np.uint64))
    none = np.empty(0, np.uint64)
    _put(target, lambda file: np.save(file, _tally(np.concatenate([none, *found]), np.concatenate([none, *hosts]))))


def _tally(hashes: Hashes, hosts: Hashes) -> Hashes:
    """Rows of (n-gram, host, number of documents), one for each n-gram and host."""
    pairs, documents = np.unique(np.stack([hashes, hosts], axis=1), axis=0, return_counts=True)
    return np.column_stack([pairs, documents.astype(np.uint64)])


def _boilerplate(tallies: Sequence[Hashes], config: DecontaminationConfig) -> Hashes:
    """The n-grams on so many hosts, or in so many documents, that to share them says nothing."""
    rows = np.concatenate([np.empty((0, 3), np.uint64), *tallies])
    ngrams, place = np.unique(rows[:, 0], return_inverse=True)
    documents = np.bincount(place, weights=rows[:, 2], minlength=len(ngrams))
    pairs = np.unique(rows[:, :2], axis=0)
    hosts = np.bincount(np.searchsorted(ngrams, pairs[:, 0]), minlength=len(ngrams))
    found: Hashes = ngrams[(hosts >= config.boilerplate_hosts) | (documents >= config.boilerplate_documents)]
    return found


def _load_source(folder: Path, source: int) -> tuple[Hashes, Offsets, Hashes]:
    with np.load(folder / f"source-{source:05}.npz") as found:
        return found["hashes"], found["sizes"], found["hosts"]


def _put(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a scratch file whole or not at all."""
    partial_file = _made(target.parent) / f".{target.name}.{os.getpid()}"
    with partial_file.open("wb") as file:
        write(file)
    os.replace(partial_file, target)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _read_evaluation_file(file: EvaluationFile) -> Iterator[str]:
    path = Path(file.path)
    if not path.is_file():
        raise InputError(f"quality.decontamination.evaluation_files: {path} does not exist; mend the path")
    with path.open("rb") as lines:
        digest = hashlib.file_digest(lines, "sha256").hexdigest()
        if digest != file.sha256:
            raise InputError(
                f"quality.decontamination.evaluation_files: {path} has SHA-256 {digest}, the spec says {file.sha256}; "
                "put the new value into the spec if the file is meant"
            )
        lines.seek(0)
        for number, line in enumerate(lines, start=1):
            try:
                text = json.loads(line)[file.field]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}, line {number}: no record with a field {file.field!r} ({error!r})") from error
            if not isinstance(text, str):
                raise InputError(f"{path}, line {number}: the field {file.field!r} is {type(text).__name__}, no text")
            yield text
