"""The classifier's stage: examples from the documents, spoiled copies beside them, a model, and how good it is."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Any

from assets.documents import Document, read_documents, shard_names
from assets.quality.classifier import MODEL, Example, score, train
from assets.quality.config import ClassifierConfig, QualityConfig
from assets.quality.judge import Judge
from assets.quality.spoil import spoil
from assets.split import host_of, split_of_url
from resources.build import Build, Outcome
from resources.compute import run_tasks

METRICS = "metrics.json"
JUDGED_PER_EXAMPLE = 2


@dataclass(frozen=True)
class Candidate:
    """A document that may become an example: its place in the drawn order, and why the rules reject it if they do."""

    draw: str
    text: str
    rejected: str


def train_classifier(build: Build, config: QualityConfig, cleaned: Path) -> Outcome:
    """Fill the build with `model.bin` and `metrics.json`.

    Good examples are training documents (of the reference hosts, if the spec names any) that pass every rule; bad ones
    are those that a rule rejects, and spoiled copies of good ones until both are as many. An example and its spoiled
    copy are on the same side of training and test. With the classifier off, or fewer good documents than the spec
    asks, there is no model: `metrics.json` and the stats say `rules_only`.
    """
    shards = shard_names(cleaned)
    run_tasks(build, "label examples", len(shards), partial(_label_shard, build, config, shards))
    good, bad = (
        nsmallest(
            config.classifier.max_examples, _candidates(build, len(shards), is_good), key=lambda entry: entry.draw
        )
        for is_good in (True, False)
    )
    counts: dict[str, Any] = {"good": len(good), "rejected": len(bad)}
    if not config.classifier.enabled or len(good) < config.classifier.min_examples:
        metrics = {"mode": "rules_only", **counts}
    else:
        metrics = {"mode": "fasttext", **counts, **_train_and_test(build, config, good, bad)}
    build.write(METRICS, json.dumps(metrics, indent=1, sort_keys=True))
    return Outcome(metrics)


def _label_shard(build: Build, config: QualityConfig, shards: Sequence[Path], shard: int) -> None:
    """Judge a shard's share of the examples by the rules; the choice is a seeded hash, the result a scratch file."""
    target = _candidates_file(build, shard)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    wanted = -(-JUDGED_PER_EXAMPLE * config.classifier.max_examples // len(shards))
    drawn = nsmallest(wanted, _drawn(config, shards[shard]), key=lambda entry: entry[0])
    judge = Judge(config, None)
    partial_file = target.with_suffix(f".{os.getpid()}")
    with partial_file.open("w", encoding="utf-8") as file:
        for draw, document in drawn:
            broken = judge.broken_rule(document)
            references = config.classifier.reference_hosts
            if broken is not None or not references or host_of(document.url) in references:
                candidate = Candidate(draw, document.text, "" if broken is None else broken[0])
                file.write(json.dumps(asdict(candidate)) + "\n")
    os.replace(partial_file, target)


def _drawn(config: QualityConfig, shard: Path) -> Iterator[tuple[str, Document]]:
    """The training documents of a shard, each with its place in the drawn order."""
    for document in read_documents([shard]):
        if split_of_url(document.url, config.split) == "train":
            seeded = f"{config.classifier.seed} {document.id}".encode()
            yield hashlib.blake2b(seeded, digest_size=8).hexdigest(), document


def _candidates_file(build: Build, shard: int) -> Path:
    return build.scratch / "candidates" / f"{shard:05}.jsonl"


def _candidates(build: Build, shards: int, is_good: bool) -> Iterator[Candidate]:
    for shard in range(shards):
        with _candidates_file(build, shard).open(encoding="utf-8") as file:
            candidates = (Candidate(**json.loads(line)) for line in file)
            yield from (candidate for candidate in candidates if (not candidate.rejected) == is_good)


def _train_and_test(
    build: Build, config: QualityConfig, good: Sequence[Candidate], bad: Sequence[Candidate]
) -> dict[str, Any]:
    sides: dict[bool, list[Example]] = {True: [], False: []}
    for number, candidate in enumerate(good):
        side = sides[_is_test(candidate, config)]
        side.append(Example(candidate.text, "kept"))
        if number < len(good) - len(bad):
            way, text = spoil(candidate.text, f"{config.classifier.seed} {candidate.draw}")
            side.append(Example(text, way))
    for candidate in bad:
        sides[_is_test(candidate, config)].append(Example(candidate.text, candidate.rejected))
    if not build.has(MODEL):
        lines = build.scratch / "examples.txt"
        with build.file(MODEL) as path:
            train(sides[False], config.classifier, lines, path)
    with build.local(MODEL) as model:
        return {"trained_on": len(sides[False]), **_measure(sides[True], model, config.classifier)}


def _is_test(candidate: Candidate, config: QualityConfig) -> bool:
    """Drawn apart from the order of choice, so that the test is no easier than the training."""
    digest = hashlib.blake2b(f"test {candidate.draw}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < config.classifier.test_share


def _measure(examples: Sequence[Example], model: Path, config: ClassifierConfig) -> dict[str, Any]:
    """Accuracy at a score of one half, and by kind of example the share that the threshold keeps."""
    scores = [score(model, example.text, config.max_tokens) for example in examples]
    right = sum((value >= 0.5) == example.is_good for value, example in zip(scores, examples, strict=True))
    seen = Counter(example.kind for example in examples)
    kept = Counter(example.kind for value, example in zip(scores, examples, strict=True) if value >= config.threshold)
    return {
        "tested_on": len(examples),
        "accuracy": round(right / len(examples), 4) if examples else None,
        "kept_by_kind": {kind: {"tested": seen[kind], "kept": kept[kind]} for kind in sorted(seen)},
    }
