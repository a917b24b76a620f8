"""A run makes what is missing, and completes what lake, journal and MLflow say of one another."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from assets.config import Config
from assets.stage import Inputs, Lineage, Stage, Take
from pipelines.execute import run
from pipelines.site import Site
from pipelines.spec import load
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError
from resources.tracking import FINGERPRINT_TAG

pytestmark = pytest.mark.slow
MODEL = "tidemill-smoke"


def silent(progress: Progress) -> None:
    """Tell nobody."""


def stage(name: str, *parents: str, registers: bool = False) -> Stage:
    def write(build: Build, inputs: Inputs) -> Outcome:
        build.write("words", name)
        return Outcome({"parents": len(inputs.parents())})

    takes = dict.fromkeys(parents, Take.SAME)
    return Stage(name, "model", "Words.", 1, Config(), takes, write, registers=registers)


def make(home: Path) -> None:
    """Make data, a model of it and a variant of that, the same at both snapshots."""
    spec, site = load("smoke", environment={}).spec, Site(home, str(home / "lake"), 1)
    stages = (stage("data"), stage("model", "data", registers=True), stage("variant", "model", registers=True))
    lineage = Lineage("smoke", MODEL, stages, spec.calendar.dates())
    run(lineage, spec, site, stages, lineage.snapshots, silent)


def versions(home: Path) -> dict[str, tuple[str, str]]:
    """Of each registered version: the fingerprint that it and its run are tagged with, and its description."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = {}
    for version in client.search_model_versions(f"name='{MODEL}'"):
        told = client.get_run(version.run_id).data.tags[FINGERPRINT_TAG]
        assert told == version.tags[FINGERPRINT_TAG]
        found[version.version] = (told, version.description)
    return found


def test_where_there_is_no_database_one_is_written_and_each_version_names_its_run(tmp_path):
    make(tmp_path / "home")
    before = versions(tmp_path / "home")
    assert sorted(description for _, description in before.values()) == ["model 2026-01-05", "variant 2026-01-05"]
    shutil.copytree(tmp_path / "home/lake", tmp_path / "other/lake")
    make(tmp_path / "other")
    assert versions(tmp_path / "other") == before


def test_a_profile_that_the_working_folder_remembers_is_not_asked_about(tmp_path, monkeypatch):
    (tmp_path / ".tidemill").mkdir()
    (tmp_path / ".tidemill/last_profile.json").write_text('{"profile": "/gone.yaml", "file": null}')
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "home")
    assert len(versions(tmp_path / "home")) == 2


def failing(error: BaseException | None) -> Lineage:
    """A lineage of one asset that fails with an error of ours, or is interrupted as by Ctrl-C."""

    def fail(build: Build, inputs: Inputs) -> Outcome:
        if error is not None:
            raise BuildError("the sluice is shut; open it") from error
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
        raise AssertionError("it was not interrupted")

    made = Stage("sluice", "model", "Words.", 1, Config(), {}, fail)
    return Lineage("smoke", MODEL, (made,), load("smoke", environment={}).spec.calendar.dates())


def run_one(lineage: Lineage, home: Path) -> None:
    site = Site(home, str(home / "lake"), 1)
    run(lineage, load("smoke", environment={}).spec, site, lineage.stages, lineage.snapshots[:1], silent)


def test_a_failure_is_told_in_the_words_of_the_stage_alone(tmp_path):
    with pytest.raises(BuildError) as raised:
        run_one(failing(ValueError("rust")), tmp_path)
    assert str(raised.value) == "sluice of 2026-01-05: the sluice is shut; open it"


def test_an_interrupt_is_no_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_one(failing(None), tmp_path)
