"""What the report tells, read from a home's lake, journal and run store; nothing is built or changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assets.evaluate.gate import Verdict
from assets.evaluate.report import SAMPLES, Report
from assets.exhibits import loss_curves
from assets.monitor.report import DriftReport
from assets.stage import Known
from pipelines.drift import drift_reports
from pipelines.report.charts import Points
from pipelines.report.examples import Example, find_examples
from pipelines.trace import FUNNEL, TRAINED
from resources.artifact import Artifact
from resources.errors import InputError
from resources.journal import State
from resources.lake import Lake
from resources.tracking import seconds_by_fingerprint


@dataclass(frozen=True)
class Evaluation:
    """A snapshot's evaluation, and the rows of what its models wrote."""

    snapshot: str
    report: Report
    samples: list[dict[str, str]]


@dataclass(frozen=True)
class Cost:
    """What an artifact took: `seconds` to make (None where no run says), `size_bytes` to keep."""

    stage: str
    snapshot: str
    seconds: float | None
    size_bytes: int


@dataclass(frozen=True)
class Story:
    """All that the report tells of one model's name in a home; every part may be empty.

    Parts are in order of snapshots, artifacts of a snapshot in order of the lineage. `curves` are
    the columns of each training's curve by the checkpoint's fingerprint; verdicts come with their
    snapshots, drift reports with their windows.
    """

    profile: str
    model: str
    snapshots: list[str]
    funnel: list[Artifact]
    tokens: list[Artifact]
    examples: list[Example]
    trainings: list[Artifact]
    curves: Mapping[str, Mapping[str, Points]]
    evaluations: list[Evaluation]
    verdicts: list[tuple[str, Verdict]]
    registry: State
    drifts: list[tuple[str, DriftReport]]
    costs: list[Cost]

    @property
    def pages_fetched(self) -> int:
        """Pages that came over the network whole, revisits that had not changed left out."""
        crawls = (artifact.stats for artifact in self.funnel if artifact.stage == "raw_crawl")
        return sum(int(stats.get("fetched_whole", stats["kept"])) for stats in crawls)

    def champions_figures(self) -> tuple[str, Report] | None:
        """The name under which the champion was last evaluated, and the report that has its figures."""
        champion = self.registry.champion
        for report in (evaluation.report for evaluation in reversed(self.evaluations) if champion):
            for name, judged in ((report.candidate_name, report.candidate), ("champion", report.champion)):
                if champion and judged and judged.fingerprint == champion.fingerprint:
                    return name, report
        return None


def gather(profile: str, model: str, known: Known, lake: Lake, registry: State, database: Path) -> Story:
    """The story of what is in `known`, the artifacts by (stage, snapshot), and of a model's journal.

    `database` is MLflow's SQLite file; where it is missing, no seconds are told.

    Raises:
        InputError: if an artifact's file is not what its stage writes.
    """
    snapshots = sorted({snapshot for _, snapshot in known})

    def of(*stages: str) -> list[Artifact]:
        keys = [(stage, snapshot) for snapshot in snapshots for stage in stages if (stage, snapshot) in known]
        return [replace(lake.local(known[key]), partition=key[1]) for key in keys]

    trainings, windows = of(*TRAINED), [lake.local(report) for report in drift_reports(lake, registry)]
    return Story(
        profile=profile,
        model=model,
        snapshots=snapshots,
        funnel=of(*FUNNEL),
        tokens=of("token_shards"),
        examples=find_examples(known, lake, snapshots),
        trainings=trainings,
        curves={artifact.fingerprint: loss_curves(artifact.path) for artifact in trainings},
        evaluations=[
            Evaluation(made.partition or "", Report.read(made.path), list(_samples(made.path / SAMPLES)))
            for made in of("eval_report")
        ],
        verdicts=[(made.partition or "", Verdict.read(made.path)) for made in of("promotion")],
        registry=registry,
        drifts=[(window.partition or "", DriftReport.read(window.path)) for window in windows],
        costs=_costs([*known.values(), *windows], lake, database),
    )


def _samples(path: Path) -> Iterator[dict[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            row = json.loads(line)
            yield {name: str(row[name]) for name in ("model", "prompt", "truth", "greedy", "sampled")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: no generation sample ({error!r}); run `tidemill verify`"
            ) from error


def _costs(artifacts: list[Artifact], lake: Lake, database: Path) -> list[Cost]:
    """The cost of each artifact; one that several snapshots share is counted at the first."""
    seconds = seconds_by_fingerprint(database)
    found: dict[str, Cost] = {}
    for artifact in artifacts:
        if artifact.fingerprint not in found:
            taken, size = seconds.get(artifact.fingerprint), lake.size_bytes(artifact)
            found[artifact.fingerprint] = Cost(artifact.stage, artifact.partition or "", taken, size)
    return list(found.values())
