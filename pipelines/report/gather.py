"""Read a home's lake, journal and run store into the story that the report tells; nothing is built or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assets.exhibits import loss_curves
from assets.stage import Known
from pipelines.report.costs import costs_of
from pipelines.report.examples import find_examples
from pipelines.report.story import Drift, Evaluation, Judgement, Sample, StageCount, Story, TokenCount, Training
from pipelines.trace import FUNNEL
from resources.artifact import Artifact
from resources.errors import InputError
from resources.journal import State
from resources.lake import Lake

if TYPE_CHECKING:
    from assets.evaluate.report import Report

TRAINED = ("pretrained_checkpoint", "finetuned", "lora_finetuned")


def gather(profile: str, model: str, known: Known, lake: Lake, registry: State, database: Path) -> Story:
    """The story of what is in `known`, the artifacts by (stage, snapshot), and of a model's journal.

    `database` is MLflow's SQLite file; where it is missing, no seconds are told.

    Raises:
        InputError: if an artifact's file is not what its stage writes.
    """
    snapshots = tuple(sorted({snapshot for _, snapshot in known}))
    windows = _windows(lake, registry)
    crawls = [known[key] for key in known if key[0] == "raw_crawl"]
    return Story(
        profile=profile,
        model=model,
        snapshots=snapshots,
        pages_fetched=sum(int(crawl.stats.get("fetched_whole", crawl.stats["kept"])) for crawl in crawls),
        funnel=tuple(_funnel(known, snapshots)),
        tokens=tuple(_tokens(known, snapshots)),
        examples=find_examples(known, lake, snapshots),
        trainings=tuple(_trainings(known, lake, snapshots)),
        evaluations=tuple(_evaluations(known, lake, snapshots)),
        judgements=tuple(_judgements(known, lake, snapshots)),
        registry=registry,
        drifts=tuple(_drifts(lake, windows)),
        costs=costs_of([*known.values(), *windows], lake, database),
    )


def _funnel(known: Known, snapshots: tuple[str, ...]) -> Iterator[StageCount]:
    for snapshot in snapshots:
        for stage in FUNNEL:
            artifact = known.get((stage, snapshot))
            if artifact is not None:
                stats = artifact.stats
                yield StageCount(stage, snapshot, int(stats["entered"]), int(stats["kept"]), dict(stats["dropped"]))


def _tokens(known: Known, snapshots: tuple[str, ...]) -> Iterator[TokenCount]:
    for snapshot in snapshots:
        artifact = known.get(("token_shards", snapshot))
        if artifact is not None:
            train, held_out = (int(artifact.stats[split]["tokens"]) for split in ("train", "held_out"))
            yield TokenCount(snapshot, train, held_out, int(artifact.stats["vocabulary"]))


def _trainings(known: Known, lake: Lake, snapshots: tuple[str, ...]) -> Iterator[Training]:
    for snapshot in snapshots:
        for stage in TRAINED:
            artifact = known.get((stage, snapshot))
            if artifact is not None:
                yield Training(
                    stage=stage,
                    snapshot=snapshot,
                    fingerprint=artifact.fingerprint,
                    steps=int(artifact.stats["steps"]),
                    tokens=int(artifact.stats["tokens"]),
                    parameters=int(artifact.stats["parameters"]),
                    curves=loss_curves(lake.local(artifact).path),
                )


def _evaluations(known: Known, lake: Lake, snapshots: tuple[str, ...]) -> Iterator[Evaluation]:
    for snapshot in snapshots:
        artifact = known.get(("eval_report", snapshot))
        if artifact is not None:
            # Here, and not above: these import torch, which a home without an evaluation does without.
            from assets.evaluate.report import SAMPLES, Report

            folder = lake.local(artifact).path
            yield Evaluation(snapshot, Report.read(folder), tuple(_samples(folder / SAMPLES)))


def _samples(path: Path) -> Iterator[Sample]:
    fields = ("model", "url", "prompt", "truth", "greedy", "sampled")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            yield Sample(*(str(row[name]) for name in fields))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: no generation sample ({error!r}); run `tidemill verify`"
            ) from error


def _judgements(known: Known, lake: Lake, snapshots: tuple[str, ...]) -> Iterator[Judgement]:
    for snapshot in snapshots:
        artifact = known.get(("promotion", snapshot))
        if artifact is not None:
            from assets.evaluate.gate import Verdict

            yield Judgement(snapshot, Verdict.read(lake.local(artifact).path))


def _windows(lake: Lake, registry: State) -> list[Artifact]:
    """The drift reports about this model's versions, the newest of each window."""
    newest: dict[str, Artifact] = {}
    for artifact in sorted(lake.artifacts("drift_report"), key=lake.age_key):
        if set(artifact.parents) & set(registry.versions):
            newest[artifact.partition or ""] = artifact
    return [newest[window] for window in sorted(newest)]


def _drifts(lake: Lake, windows: list[Artifact]) -> Iterator[Drift]:
    if windows:
        from assets.monitor.report import DriftReport

        for artifact in windows:
            yield Drift(artifact.partition or "", DriftReport.read(lake.local(artifact).path))


def figure_of_champion(story: Story) -> tuple[str, Report] | None:
    """The name under which the champion was last evaluated, and the report that has its figures."""
    champion = story.registry.champion
    for evaluation in reversed(story.evaluations):
        report = evaluation.report
        if champion is None:
            return None
        if report.candidate.fingerprint == champion.fingerprint:
            return report.candidate_name, report
        if report.champion is not None and report.champion.fingerprint == champion.fingerprint:
            return "champion", report
    return None
