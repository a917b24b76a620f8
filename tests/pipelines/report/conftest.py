"""A small home made by hand: two stages of documents, a checkpoint, its evaluation and verdict, a drift report."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from assets.documents import Document, Dropped, document_id, write_shard
from assets.evaluate.gate import Comparison, DomainFinding, Needed, Verdict
from assets.evaluate.report import Completion, Figure, Judged, ModelResult, Report
from assets.monitor.changes import Share, Stranger
from assets.monitor.drift import Finding, Shift
from assets.monitor.report import DriftReport
from pipelines.report.story import Story, gather
from resources.artifact import Artifact, Recipe
from resources.build import Build, Outcome
from resources.journal import Journal
from resources.lake import Lake

DATE = "2026-01-05"
HOSTILE = "</title></style><script>document.title='owned'</script><img src=x onerror=alert(1)>"
SECRET = "reach.me@harbour.com"


@dataclass
class Home:
    """A lake and a journal to put artifacts into, and the story that they tell."""

    folder: Path
    known: dict[tuple[str, str], Artifact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lake = Lake(self.folder / "lake", self.folder)
        self.journal = Journal(self.lake.store, "tidemill-test")

    def add(
        self,
        stage: str,
        stats: Mapping[str, Any],
        fill: Callable[[Build], None],
        parents: tuple[Artifact, ...] = (),
        date: str = DATE,
    ) -> Artifact:
        def run(build: Build) -> Outcome:
            fill(build)
            return Outcome(stats)

        recipe = Recipe(stage=stage, partition=date, config={}, kind="derived", version=1, engines=(), parents=parents)
        artifact, _ = self.lake.build(recipe, run)
        self.known[stage, date] = artifact
        return artifact

    def story(self) -> Story:
        database = self.folder / "mlflow.db"
        return gather("test", "tidemill-test", self.known, self.lake, self.journal.read(), database)


def page(name: str, text: str, title: str = "") -> Document:
    url = f"http://docs.test/{name}"
    return Document(document_id(url, DATE), url, text, DATE, title)


GOOD = page("tides", "The tide comes in twice a day and turns the mill.", "Tides")
COPY = page("copy", f"The tide comes in twice a day. {HOSTILE} Write to {SECRET} about it.", HOSTILE)


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def home(empty_home: Home) -> Home:
    _corpus(empty_home)
    checkpoint = empty_home.add(
        "pretrained_checkpoint",
        {"steps": 3, "tokens": 3072, "parameters": 1000},
        lambda build: build.write(
            "curve.csv",
            "step,loss,learning_rate,gradient_norm,validation_loss\n0,6.9,.1,1,\n1,nan,.1,1,\n2,5.5,.1,1,5.8\n",
        ),
    )
    empty_home.journal.register(checkpoint)
    report = empty_home.add("eval_report", {}, lambda build: _evaluation(build, checkpoint), (checkpoint,))
    verdict = empty_home.add(
        "promotion", {}, lambda build: build.write("verdict.json", _verdict(checkpoint)), (report,)
    )
    empty_home.journal.decide("promoted", checkpoint, verdict, f"Better than the unigram {HOSTILE}")
    empty_home.add("drift_report", {}, _drift, (checkpoint,), date="2026-01-06T00")
    del empty_home.known["drift_report", "2026-01-06T00"]  # a window is no snapshot: the lake names its reports
    _run_store(empty_home.folder / "mlflow.db", {checkpoint.fingerprint: 75.0})
    return empty_home


def _corpus(home: Home) -> None:
    def documents(*kept: Document, dropped: tuple[tuple[Document, str, float], ...] = ()) -> Callable[[Build], None]:
        def fill(build: Build) -> None:
            verdicts = [*kept, *(Dropped(document.id, document.url, *why) for document, *why in dropped)]
            write_shard(build, lambda shard: verdicts, 0)

        return fill

    def counts(kept: int, **dropped: int) -> dict[str, Any]:
        return {"entered": kept + sum(dropped.values()), "kept": kept, "dropped": dropped}

    home.add("raw_crawl", {**counts(2, robots=3, http_404=1), "fetched_whole": 2}, lambda build: None)
    home.add("extracted", counts(2), documents(GOOD, COPY))
    home.add("deduped", counts(1, near_duplicate=1), documents(GOOD, dropped=((COPY, "near_duplicate", 0.9),)))
    home.add("token_shards", {"train": {"tokens": 900}, "held_out": {"tokens": 90}, "vocabulary": 512}, lambda b: None)


def _evaluation(build: Build, checkpoint: Artifact) -> None:
    def result(bits: float, correct: int) -> ModelResult:
        figure = Figure(bits, 0.1, 3, 9)
        domains = {f"a-very-long-name-of-a-site-{n}.docs.example.test": figure for n in range(15)}
        return ModelResult(figure, domains, Completion.of(correct, 20))

    report = Report(
        candidate_name="pretrained_checkpoint",
        candidate=Judged.of(checkpoint),
        champion=None,
        kneser_ney="kneser_ney_5",
        unit="host",
        documents=9,
        tokens=900,
        bytes=2000,
        context_tokens=64,
        chance=0.25,
        models={
            "pretrained_checkpoint": result(2.5, 9),
            "kneser_ney_5": result(2.2, 6),
            "unigram": result(3.5, 5),
        },
    )
    build.write("summary.json", report.to_json())
    sample = {"url": GOOD.url, "prompt": HOSTILE, "truth": "turns", "greedy": "\ud800 the mill", "sampled": "a" * 300}
    build.write("samples.jsonl", json.dumps({"model": "pretrained_checkpoint", "document": GOOD.id, **sample}) + "\n")


def _verdict(checkpoint: Artifact) -> str:
    gain = Comparison("unigram", 1.0, 0.4, 1.6, 0.5, 3, "host", 30)
    return Verdict(
        decision="promote",
        reason="Better than the unigram",
        candidate=Judged.of(checkpoint),
        champion=None,
        confidence=0.9,
        comparison=gain,
        domains=(
            DomainFinding("docs.test", Comparison("unigram", -0.1, None, None, None, 1, "page", 1), 0.05, "unclear"),
        ),
        kneser_ney=Comparison("kneser_ney_5", -0.3, -0.5, -0.1, 0.1, 3, "host", 30),
        needed=Needed("hosts", 2, 20),
    ).to_json()


def _drift(build: Build) -> None:
    report = DriftReport(
        alarm=True,
        false_alarm_rate=0.001,
        window_requests=80,
        compared_requests=80,
        reference_requests=2000,
        findings=(
            Finding("vocabulary", 30.0, 0.0002, True, ()),
            Finding("text_statistics", 7.0, 0.0002, True, (Shift("words", 9.25, 5.0, 7.0),)),
            Finding("model_loss", 1.0, 0.4, False, ()),
        ),
        words=(Share("harbour", 0.4, 0.01, 90.0, ("Where is the harbour?",)),),
        strangers=(Stranger(HOSTILE, 9.5),),
    )
    build.write("report.json", TypeAdapter(DriftReport).dump_json(report))


def _run_store(path: Path, seconds: Mapping[str, float]) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table runs (run_uuid, status, lifecycle_stage)")
        db.execute("create table tags (key, value, run_uuid)")
        db.execute("create table metrics (key, value, run_uuid)")
        for fingerprint, value in seconds.items():
            db.execute("insert into runs values (?, 'FINISHED', 'active')", (fingerprint,))
            db.execute("insert into tags values ('tidemill.fingerprint', ?, ?)", (fingerprint, fingerprint))
            db.execute("insert into metrics values ('seconds', ?, ?)", (value, fingerprint))
        db.commit()
