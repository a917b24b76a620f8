"""The classifier's stage: examples from the documents, spoiled copies beside them, a model, and how good it is."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Any

from assets.documents import Document, read_documents, shard_names
from assets.quality.classifier import MODEL, Example, score, train
from assets.quality.config import ClassifierConfig, QualityConfig
from assets.quality.judge import Judge
from assets.quality.spoil import spoil
from assets.split import split_of_url, uniform_draw
from llm_core.durable import write_text
from resources.build import Build, Outcome
from resources.compute import run_tasks

METRICS = "metrics.json"
JUDGED_PER_EXAMPLE = 2


def train_classifier(build: Build, config: QualityConfig, cleaned: Path) -> Outcome:
    """Fill the build with `model.bin` and `metrics.json`.

    Good examples are training documents that pass every rule; bad ones are those that a rule rejects, and spoiled
    copies of good ones until both are as many. An example and its spoiled copy are on the same side of training and
    test. With the classifier off, or fewer good documents than the spec asks, there is no model: `metrics.json` and
    the stats say `rules_only`.
    """
    shards = shard_names(cleaned)
    run_tasks(build, "label examples", len(shards), partial(_label_shard, build, config, shards))
    lines = [line for shard in range(len(shards)) for line in _labelled_file(build, shard).read_bytes().splitlines()]
    labelled = sorted((Example(**json.loads(line)) for line in lines), key=lambda example: example.draw)
    good, bad = (
        [example for example in labelled if example.is_good == side][: config.classifier.max_examples]
        for side in (True, False)
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
    target = _labelled_file(build, shard)
    if target.exists():
        return
    wanted = -(-JUDGED_PER_EXAMPLE * config.classifier.max_examples // len(shards))
    judge = Judge(config, None)
    lines = []
    for draw, document in nsmallest(wanted, _drawn(config, shards[shard]), key=lambda entry: entry[0]):
        broken = judge.broken_rule(document)
        example = Example(document.text, "kept" if broken is None else broken[0], draw)
        lines.append(json.dumps(asdict(example)) + "\n")
    write_text(target, "".join(lines))


def _drawn(config: QualityConfig, shard: Path) -> Iterator[tuple[str, Document]]:
    """The training documents of a shard, each with its place in the drawn order."""
    for document in read_documents([shard]):
        if split_of_url(document.url, config.split) == "train":
            seeded = f"{config.classifier.seed} {document.id}".encode()
            yield hashlib.blake2b(seeded, digest_size=8).hexdigest(), document


def _labelled_file(build: Build, shard: int) -> Path:
    return build.scratch / "examples" / f"{shard:05}.jsonl"


def _train_and_test(
    build: Build, config: QualityConfig, good: Sequence[Example], bad: Sequence[Example]
) -> dict[str, Any]:
    sides: dict[bool, list[Example]] = {True: [], False: []}
    for number, example in enumerate([*good, *bad]):
        # Drawn apart from the order of choice, so that the test is no easier than the training.
        side = sides[uniform_draw("test", example.draw) < config.classifier.test_share]
        side.append(example)
        if number < len(good) - len(bad):
            way, text = spoil(example.text, f"{config.classifier.seed} {example.draw}")
            side.append(Example(text, way))
    if not build.has(MODEL):
        with build.file(MODEL) as path:
            train(sides[False], config.classifier, build.scratch / "examples.txt", path)
    with build.local(MODEL) as model:
        return {"trained_on": len(sides[False]), **_measure(sides[True], model, config.classifier)}


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
