"""The quality stage: documents that pass rules, classifier and decontamination, each on its side of the split."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from assets.documents import Document, Dropped, shard_names, transform
from assets.quality.classifier import MODEL
from assets.quality.config import QualityConfig
from assets.quality.decontamination import Decontaminator, prepare
from assets.quality.judge import Judge
from resources.build import Build, Outcome


def filter_quality(
    build: Build, config: QualityConfig, cleaned: Path, classifier: Path | None, earlier: Sequence[Path] = ()
) -> Outcome:
    """Fill the build with the documents that are good enough, `split` and `quality` set, and with those that are not.

    `classifier` is the folder of the stage that trains it; without a model in it (or with the classifier off) the
    rules alone decide, and the stats say `rules_only`. `earlier` are the folders that this stage filled for earlier
    snapshots: their held-out documents are evaluation sets too. Drops `no_words`, `<filter>:<reason>`, `classifier`,
    and training documents that are `contaminated`, with the share of n-grams that they have in common.
    """
    model = classifier / MODEL if classifier is not None and config.classifier.enabled else None
    model = model if model is not None and model.exists() else None
    judge = Judge(config, model)
    decontaminator: Decontaminator | None = None
    counts: dict[str, int] = {}
    if config.decontamination.enabled:
        decontaminator, counts = prepare(build, config, cleaned, earlier, judge)
    funnel = transform(build, "judge quality", cleaned, partial(_judge_all, judge, decontaminator))
    splits = dict.fromkeys(("train", "held_out"), 0)
    for shard in range(len(shard_names(cleaned))):
        with build.local(f"documents/{shard:05}.parquet") as path:
            for split in pq.read_table(path, columns=["split"])["split"].to_pylist():
                splits[split] += 1
    return Outcome(
        {**funnel.stats(), **splits, "classifier": "fasttext" if model else "rules_only", "decontamination": counts}
    )


def _judge_all(
    judge: Judge, decontaminator: Decontaminator | None, documents: Iterator[Document]
) -> Iterator[Document | Dropped]:
    for document in documents:
        verdict = judge(document)
        if isinstance(verdict, Document) and verdict.split == "train" and decontaminator is not None:
            share = decontaminator.share(verdict.text)
            if share >= decontaminator.config.max_share:
                verdict = Dropped(document.id, document.url, "contaminated", share)
        yield verdict
