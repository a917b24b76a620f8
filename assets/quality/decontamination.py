"""No training page may hold what the model is judged on: word n-grams, counted against every evaluation document.

Three passes over shards: the n-grams of the evaluation documents; on how many hosts and in how many documents each
stands; then, in the stage's last pass, what each training document holds. The first two leave scratch files, which a
killed build finds again.
Memory holds the evaluation sets' n-grams, never the training documents.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from assets.documents import Document, read_documents, shard_names
from assets.quality.config import DecontaminationConfig, EvaluationFile, QualityConfig
from assets.quality.evaluation_index import EvaluationIndex, ngram_hashes
from assets.quality.judge import Judge
from assets.shingles import Hashes
from assets.split import host_of, split_of_url
from llm_core.durable import write_whole
from resources.build import Build
from resources.compute import run_tasks
from resources.errors import InputError

BOILERPLATE = "boilerplate_ngrams.npy"

Source = Callable[[], Iterator[tuple[str, str]]]
"""Reads (host, text) of some evaluation documents; a file counts as a host."""


class Decontaminator:
    """Finds training documents that hold an evaluation document's text, with the index that `prepare` left."""

    def __init__(self, config: DecontaminationConfig, folder: Path):
        self._config, self._index = config, EvaluationIndex.load(folder)
        self._boilerplate = np.load(folder / BOILERPLATE)

    def share(self, text: str) -> float:
        """The largest share of n-grams that a text has in common with one evaluation document, boilerplate apart."""
        hashes = ngram_hashes(text, self._config.ngram_words)
        hashes = hashes[~np.isin(hashes, self._boilerplate)]
        return round(self._index.largest_overlap(hashes, self._config.min_ngrams), 4)


def prepare(
    build: Build, config: QualityConfig, shards: Sequence[Path], earlier: Sequence[Path], model: Path | None
) -> tuple[Path, dict[str, int]]:
    """Index the evaluation sets without their boilerplate; the folder of the index, and how many there are of each.

    Writes `boilerplate_ngrams.npy` into the build: what is boilerplate in one snapshot stays it in later ones.

    Raises:
        InputError: if an evaluation file is not the one that the spec names, or a record of it has no text.
    """
    folder = build.scratch / "evaluation"
    sources: list[Source] = [
        *(partial(_judged_held_out, config, model, shard) for shard in shards),
        *(partial(_kept_held_out, shard) for kept in earlier for shard in shard_names(kept)),
        *(partial(_read_evaluation_file, file) for file in config.decontamination.evaluation_files),
    ]
    hash_source = partial(_hash_source, folder, config.decontamination.ngram_words, sources)
    run_tasks(build, "index evaluation sets", len(sources), hash_source, unit="sources")
    hashed = [np.load(_hashed_file(folder, source)) for source in range(len(sources))]
    hashes, sizes, hosts = (_joined(part[name] for part in hashed) for name in ("hashes", "sizes", "hosts"))
    index = EvaluationIndex.of(hashes, sizes.astype(np.int64))
    index.save(folder / "all")
    run_tasks(build, "count boilerplate", len(shards), partial(_match_shard, folder, config, shards))
    tallies = [_tally(hashes, np.repeat(hosts, sizes.astype(np.int64)))]
    tallies += [np.load(_matches_file(folder, shard)) for shard in range(len(shards))]
    known = [np.load(path / BOILERPLATE) for path in earlier if (path / BOILERPLATE).exists()]
    boilerplate = np.unique(_joined([_boilerplate(np.concatenate(tallies), config.decontamination), *known]))
    counted = folder / "counted"
    index.without(boilerplate).save(counted)
    np.save(counted / BOILERPLATE, boilerplate)
    build.write(BOILERPLATE, (counted / BOILERPLATE).read_bytes())
    counts = {
        "evaluation_documents": len(sizes),
        "evaluation_ngrams": len(np.unique(hashes)),
        "boilerplate_ngrams": len(boilerplate),
    }
    return counted, counts


def _judged_held_out(config: QualityConfig, model: Path | None, shard: Path) -> Iterator[tuple[str, str]]:
    judge = Judge(config, model)
    for document in read_documents([shard]):
        is_held_out = split_of_url(document.url, config.split) == "held_out"
        if is_held_out and isinstance(judge(document), Document):
            yield host_of(document.url), document.text


def _kept_held_out(shard: Path) -> Iterator[tuple[str, str]]:
    for document in read_documents([shard]):
        if document.split == "held_out":
            yield host_of(document.url), document.text


def _read_evaluation_file(file: EvaluationFile) -> Iterator[tuple[str, str]]:
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
            yield file.path, text


def _hash_source(folder: Path, ngram_words: int, sources: Sequence[Source], source: int) -> None:
    """Hash one source's documents: their n-grams one after the other, the number of each, the host of each."""
    target = _hashed_file(folder, source)
    if target.exists():
        return
    hashes: list[Hashes] = []
    hosts: list[int] = []
    for host, text in sources[source]():
        hashes.append(ngram_hashes(text, ngram_words))
        hosts.append(xxh3_64_intdigest(host))
    sizes = np.array([len(part) for part in hashes], np.uint64)
    of_hosts = np.array(hosts, np.uint64)
    write_whole(target, lambda draft: np.savez(draft, hashes=_joined(hashes), sizes=sizes, hosts=of_hosts))


def _match_shard(folder: Path, config: QualityConfig, shards: Sequence[Path], shard: int) -> None:
    """Count how often the training documents of a shard hold each evaluation n-gram, by host."""
    target = _matches_file(folder, shard)
    if target.exists():
        return
    index = EvaluationIndex.load(folder / "all")
    found: list[Hashes] = []
    hosts: list[Hashes] = []
    for document in read_documents([shards[shard]]) if len(index.hashes) else ():
        if split_of_url(document.url, config.split) == "train":
            found.append(index.matched(ngram_hashes(document.text, config.decontamination.ngram_words)))
            hosts.append(np.full(len(found[-1]), xxh3_64_intdigest(host_of(document.url)), np.uint64))
    write_whole(target, lambda draft: np.save(draft, _tally(_joined(found), _joined(hosts))))


def _tally(hashes: Hashes, hosts: Hashes) -> Hashes:
    """Rows of (n-gram, host, number of documents), one for each n-gram and host."""
    pairs, documents = np.unique(np.stack([hashes, hosts], axis=1), axis=0, return_counts=True)
    return np.column_stack([pairs, documents.astype(np.uint64)])


def _boilerplate(rows: Hashes, config: DecontaminationConfig) -> Hashes:
    """The n-grams on so many hosts, or in so many documents, that to share them says nothing."""
    ngrams, place = np.unique(rows[:, 0], return_inverse=True)
    documents = np.bincount(place, weights=rows[:, 2], minlength=len(ngrams))
    pairs = np.unique(rows[:, :2], axis=0)
    hosts = np.bincount(np.searchsorted(ngrams, pairs[:, 0]), minlength=len(ngrams))
    found: Hashes = ngrams[(hosts >= config.boilerplate_hosts) | (documents >= config.boilerplate_documents)]
    return found


def _joined(parts: Iterable[Hashes]) -> Hashes:
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _hashed_file(folder: Path, source: int) -> Path:
    return folder / f"source-{source:05}.npz"


def _matches_file(folder: Path, shard: int) -> Path:
    return folder / f"matches-{shard:05}.npy"
