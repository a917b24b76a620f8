"""A stage as Dagster runs it: what is tried again, and how a run says which process it is."""

import json
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.config import Config
from assets.materialize import PROCESS_TAG, to_asset
from assets.stage import Lineage, Stage
from pipelines.execute import _error_of
from resources.build import Outcome
from resources.errors import BuildError
from resources.journal import Journal
from resources.lake import Lake
from resources.lease import is_alive
from resources.tracking import Tracking
from resources.workplace import Workplace

DATE = "2026-01-05"


def materialize(tmp_path: Path, run, monkeypatch) -> tuple[dg.ExecuteInProcessResult, dg.DagsterRun]:
    """Materialize a stage that does `run`, in a home of its own where MLflow is not asked."""
    monkeypatch.setattr("assets.materialize.record", lambda *_, **__: "run")
    stage = Stage("model", "model", "A stage.", 1, Config(), {}, lambda build, _: run(build), registers=True)
    lineage = Lineage("test", "tidemill-test", (stage,), (DATE,))
    lake = Lake(tmp_path / "lake", tmp_path)
    workplace = Workplace(lake, Journal(lake.store, lineage.model), Tracking(tmp_path, lineage.model))
    asset = to_asset(stage, lineage, dg.StaticPartitionsDefinition([DATE]))
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.materialize(
            [asset],
            partition_key=DATE,
            instance=instance,
            resources={"workplace": workplace},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        return made, instance.get_run_by_id(made.run_id)


@pytest.mark.parametrize(("statuses", "tries", "ends_well"), [((9, 0), 2, True), ((9, 9), 2, False), ((2,), 1, False)])
def test_a_crash_is_tried_again_once_and_what_a_process_refused_is_not(
    tmp_path, monkeypatch, statuses, tries, ends_well
):
    tried = []

    def run(build):
        tried.append(statuses[len(tried)])
        build.launch([sys.executable, "-c", f"raise SystemExit({tried[-1]})"], {})
        return Outcome({})

    made, _ = materialize(tmp_path, run, monkeypatch)
    assert (len(tried), made.success) == (tries, ends_well)
    if not ends_well:
        assert f"code {statuses[-1]}" in str(_error_of(made, DATE))


def test_an_error_of_a_stage_is_not_tried_again(tmp_path, monkeypatch):
    tried = []

    def run(build):
        tried.append(build)
        raise BuildError("too few tokens")

    made, _ = materialize(tmp_path, run, monkeypatch)
    assert (len(tried), made.success) == (1, False)


def test_a_run_says_which_process_it_is(tmp_path, monkeypatch):
    _, run = materialize(tmp_path, lambda build: Outcome({}), monkeypatch)
    told = json.loads(run.tags[PROCESS_TAG])
    assert is_alive(told)
    assert not is_alive({**told, "started": told["started"] - 1})
