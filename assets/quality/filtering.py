"""The quality stage: documents that pass rules, classifier and decontamination, each on its side of the split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from assets.documents import Document, Dropped, Funnel, shard_names, transform
from assets.quality.classifier import MODEL
from assets.quality.config import QualityConfig
from assets.quality.decontamination import Decontaminator, prepare
from assets.quality.judge import Judge
from assets.quality.training import classifier_mode
from assets.split import host_of
from resources.build import Build, Outcome

HOSTS_SHOWN = 200


def filter_quality(
    build: Build, config: QualityConfig, cleaned: Path, classifier: Path | None, earlier: Sequence[Path] = ()
) -> Outcome:
    """Fill the build with the documents that are good enough, `split` and `quality` set, and with those that are not.

    `classifier` is the folder of the stage that trains it; without a model in it (or with the classifier off) the
    rules alone decide, and the stats say `rules_only`. `earlier` are the folders that this stage filled for earlier
    snapshots: their held-out documents are evaluation sets too. Drops `no_words`, `<filter>:<reason>`, `classifier`,
    and training documents that are `contaminated`, with the share of n-grams that they have in common.
    """
    mode = classifier_mode(classifier) if config.classifier.enabled else "rules_only"
    model = classifier / MODEL if classifier is not None and mode == "fasttext" else None
    judge = Judge(config, model)
    decontaminator: Decontaminator | None = None
    counts: dict[str, int] = {}
    if config.decontamination.enabled:
        decontaminator, counts = prepare(build, config, cleaned, earlier, judge)
    funnel = transform(build, "judge quality", cleaned, Pipeline(judge, decontaminator))
    stats = {**funnel.stats(), **_count(build, funnel, len(shard_names(cleaned)))}
    return Outcome({**stats, "classifier": mode, "decontamination": counts})


@dataclass(frozen=True)
class Pipeline:
    """Judges a shard's documents one after the other."""

    judge: Judge
    decontaminator: Decontaminator | None

    def __call__(self, documents: Iterator[Document]) -> Iterable[Document | Dropped]:
        for document in documents:
            verdict = self.judge(document)
            if isinstance(verdict, Document) and verdict.split == "train" and self.decontaminator is not None:
                share = self.decontaminator.share(verdict.text)
                if self.decontaminator.is_contaminated(share):
                    verdict = Dropped(document.id, document.url, "contaminated", share)
            yield verdict


def _count(build: Build, funnel: Funnel, shards: int) -> dict[str, Any]:
    """Documents by split, drops by rule, and both by host (left out where there are more than 200 hosts)."""
    splits: Counter[str] = Counter()
    hosts: defaultdict[str, dict[str, Any]] = defaultdict(lambda: {"kept": 0, "dropped": 0, "split": None})
    for shard in range(shards):
        with build.local(f"documents/{shard:05}.parquet") as path:
            for row in pq.read_table(path, columns=["url", "split"]).to_pylist():
                splits[row["split"]] += 1
                host = hosts[host_of(row["url"])]
                host["kept"] += 1
                host["split"] = row["split"] if host["split"] in (None, row["split"]) else "both"
        with build.local(f"dropped/{shard:05}.parquet") as path:
            for url in pq.read_table(path, columns=["url"])["url"].to_pylist():
                hosts[host_of(url)]["dropped"] += 1
    by_rule: Counter[str] = Counter()
    for reason, count in funnel.dropped.items():
        by_rule[reason.partition(":")[0]] += count
    return {
        "train": splits["train"],
        "held_out": splits["held_out"],
        "by_rule": dict(sorted(by_rule.items())),
        "hosts": {name: hosts[name] for name in sorted(hosts)} if len(hosts) <= HOSTS_SHOWN else {},
    }
