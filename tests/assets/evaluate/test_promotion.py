"""The verdict's way into the journal: once, and only from a verdict."""

from pathlib import Path

import pytest

from assets.evaluate.asset import eval_report, promotion
from assets.evaluate.config import EvaluateConfig, GateConfig
from assets.evaluate.gate import Verdict, decide, settle
from assets.stage import Inputs
from resources.artifact import Artifact, Recipe
from resources.build import Build, Outcome
from resources.collection import remove_artifacts
from resources.errors import LakeError
from resources.journal import Journal
from resources.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", tmp_path)


def committed(lake: Lake, world, name: str) -> Artifact:
    """A checkpoint of the world as an artifact of the lake."""
    source = world.checkpoints[name].path

    def run(build: Build) -> Outcome:
        for path in sorted(source.iterdir()):
            build.write(path.name, path.read_bytes())
        return Outcome({})

    return lake.build(Recipe(name, "2026-01-05", {}), run)[0]


def judged(lake: Lake, world, champion: Artifact | None = None) -> tuple[Artifact, Artifact]:
    """Evaluation and verdict through the declared stages."""
    given = {
        "pretrained_checkpoint": [committed(lake, world, "pretrained_checkpoint")],
        "finetuned": [committed(lake, world, "finetuned")],
    }
    report_stage, gate_stage = eval_report(world.config), promotion(GateConfig())
    inputs = Inputs({**given, "champion": [champion] if champion else []})

    def evaluate(build: Build) -> Outcome:
        from assets.evaluate.evaluate import evaluate as run

        return run(
            build,
            world.config,
            candidates={name: inputs.one(name) for name in given},
            champion=inputs.champion(),
            shards=world.shards,
            corpora=world.corpora,
            tokenizer=world.tokenizer_folder,
        )

    report, _ = lake.build(report_stage.recipe("2026-01-05", inputs), evaluate)
    of_report = Inputs({"eval_report": [report]})
    verdict, _ = lake.build(gate_stage.recipe("2026-01-05", of_report), lambda build: gate_stage.run(build, of_report))
    return report, verdict


def test_a_verdict_is_entered_once_however_often_it_is_settled(lake: Lake, world) -> None:
    _, artifact = judged(lake, world)
    journal = Journal(lake.store, "tidemill-test")

    for _ in range(3):
        settle(artifact, lake, journal)

    verdict = Verdict.read(artifact.path)
    entries = [entry for entry in journal.read().entries if entry.kind != "registered"]
    assert [entry.verdict for entry in entries] == [artifact.fingerprint]
    assert entries[0].kind == ("promoted" if verdict.decision == "promote" else "kept")
    assert entries[0].fingerprint == verdict.candidate.fingerprint
    assert entries[0].reason == verdict.reason


def test_the_champion_judged_against_itself_stays_champion(lake: Lake, world) -> None:
    champion = committed(lake, world, "pretrained_checkpoint")
    journal = Journal(lake.store, "tidemill-test")

    _, artifact = judged(lake, world, champion=champion)
    promotion(GateConfig()).settle(artifact, lake, journal)

    assert artifact.stats["decision"] == "keep"
    assert journal.read().champion is None


def test_a_verdict_promotes_over_the_champion_that_it_names_only(lake: Lake, world) -> None:
    _, artifact = judged(lake, world)
    assert Verdict.read(artifact.path).champion is None
    journal = Journal(lake.store, "tidemill-test")
    reigning = committed(lake, world, "finetuned")
    journal.decide("promoted", reigning, reigning, "came first")

    settle(artifact, lake, journal)

    state = journal.read()
    assert state.champion is not None
    assert state.champion.fingerprint == reigning.fingerprint
    assert state.entries[-1].kind == "kept"


def test_a_verdict_that_is_entered_needs_its_checkpoint_no_more(lake: Lake, world) -> None:
    _, artifact = judged(lake, world)
    journal = Journal(lake.store, "tidemill-test")
    settle(artifact, lake, journal)
    entries = journal.read().entries
    candidate = lake.get(Verdict.read(artifact.path).candidate.fingerprint)
    assert candidate is not None
    remove_artifacts(lake, [candidate])

    settle(artifact, lake, journal)

    assert journal.read().entries == entries


def test_a_verdict_about_a_lost_checkpoint_is_refused(lake: Lake, world, tmp_path: Path) -> None:
    _, artifact = judged(lake, world)

    with pytest.raises(LakeError, match="not in the lake"):
        settle(artifact, Lake(tmp_path / "empty", tmp_path), Journal(lake.store, "tidemill-test"))


def test_the_stages_show_their_figures(lake: Lake, world) -> None:
    report, verdict = judged(lake, world)

    shown = eval_report(EvaluateConfig()).exhibit(report)
    decided = promotion(GateConfig()).exhibit(verdict)

    assert all(plot.startswith(b"\x89PNG") for plot in [*shown.plots.values(), *decided.plots.values()])
    assert len(shown.samples) == 4
    assert decided.samples[0]["reason"]


def test_the_verdict_has_the_same_bytes_each_time(lake: Lake, world) -> None:
    report, verdict = judged(lake, world)

    decide(world.build("again"), GateConfig(), report.path)

    assert (world.root / "again" / "verdict.json").read_bytes() == (verdict.path / "verdict.json").read_bytes()
