"""The quality stage: documents that pass rules, classifier and decontamination, each on its side of the split."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from assets.documents import Document, Dropped, count_documents, read_documents, read_written, shard_names, write_shards
from assets.quality.classifier import MODEL
from assets.quality.config import QualityConfig
from assets.quality.decontamination import EvaluationIndex, index_evaluation, ngram_hashes
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
    shards = shard_names(cleaned)
    index: Path | None = None
    counts: dict[str, int] = {}
    if config.decontamination.enabled:
        index, counts = index_evaluation(build, config, shards, earlier, model)
    judge = partial(_judge_shard, config, model, index, shards)
    funnel = write_shards(build, "judge quality", len(shards), count_documents(cleaned), judge)
    splits = Counter(train=0, held_out=0)
    for batch in read_written(build, len(shards), ["split"]):
        splits.update(batch["split"].to_pylist())
    return Outcome(
        {**funnel.stats(), **splits, "classifier": "fasttext" if model else "rules_only", "decontamination": counts}
    )


def _judge_shard(
    config: QualityConfig, model: Path | None, index: Path | None, shards: Sequence[Path], shard: int
) -> Iterator[Document | Dropped]:
    judge = Judge(config, model)
    evaluation = None if index is None else EvaluationIndex.load(index)
    limits = config.decontamination
    for document in read_documents([shards[shard]]):
        verdict = judge(document)
        if isinstance(verdict, Document) and verdict.split == "train" and evaluation is not None:
            hashes = ngram_hashes(verdict.text, limits.ngram_words)
            share = round(evaluation.largest_overlap(hashes, limits.min_ngrams), 4)
            if share >= limits.max_share:
                verdict = Dropped(document.id, document.url, "contaminated", share)
        yield verdict
