"""What happens by itself: which runs the sensors and the schedule ask for, from the request log and the journal."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import definitions
from pipelines.execute import open_instance
from pipelines.site import Site
from pipelines.spec import Spec, load
from resources.artifact import Artifact, Recipe
from resources.build import Outcome

FIRST, SECOND = "2026-01-05", "2026-01-12"


@pytest.fixture
def spec() -> Spec:
    return load("smoke", environment={}).spec


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, str(tmp_path / "lake"), 1)


@pytest.fixture
def repository(spec: Spec, site: Site) -> dg.RepositoryDefinition:
    return definitions(spec, site).get_repository_def()


@pytest.fixture
def instance(site: Site) -> Iterator[dg.DagsterInstance]:
    with open_instance(site.home) as opened:
        yield opened


@pytest.fixture
def commit(site: Site, spec: Spec) -> Callable[..., Artifact]:
    """Commits an artifact with these counts."""

    def make(stage: str, partition: str, **stats: object) -> Artifact:
        recipe = Recipe(stage, partition, {"made": f"{partition} {json.dumps(stats)}"})
        lake = site.workplace(spec.model_name).lake
        return lake.build(recipe, lambda build: (build.write("words", stage), Outcome(stats))[1])[0]

    return make


@pytest.fixture
def judge(site: Site, spec: Spec, commit: Callable[..., Artifact]) -> Callable[[str], None]:
    """Promotes a model at a snapshot."""

    def decide(snapshot: str) -> None:
        checkpoint = commit("pretrained_checkpoint", snapshot)
        site.workplace(spec.model_name).journal.decide("promoted", checkpoint, commit("promotion", snapshot), "better")

    return decide


def evaluate(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, cursor=None
):
    context = dg.build_sensor_context(instance_ref=instance.get_ref(), cursor=cursor, repository_def=repository)
    return sensor.evaluate_tick(context)


def test_each_window_is_judged_once_after_it_closed(site, spec, repository, instance):
    folder = site.requests(spec.model_name)
    folder.mkdir(parents=True)
    sensor = repository.get_sensor_def("closed_windows")
    (folder / "20260105T000000-000000001.jsonl").touch()
    assert evaluate(sensor, instance, repository).skip_message == "0 closed windows, none of them new"
    for first in ("000000061", "000000121"):
        (folder / f"20260105T000000-{first}.jsonl").touch()
    tick = evaluate(sensor, instance, repository)
    closed = ["20260105T000000-000000001", "20260105T000000-000000061"]
    assert [request.partition_key for request in tick.run_requests] == closed
    assert [request.partition_keys for request in tick.dynamic_partitions_requests] == [closed]
    assert not evaluate(sensor, instance, repository, tick.cursor).run_requests


def test_no_drift_asks_for_nothing(repository, commit, judge, instance):
    judge(FIRST)
    commit("drift_report", "window-1", alarm=False)
    assert not evaluate(repository.get_sensor_def("drift"), instance, repository).run_requests


def test_drift_asks_for_the_next_snapshot_once(repository, commit, judge, instance):
    judge(FIRST)
    commit("drift_report", "window-1", alarm=False)
    commit("drift_report", "window-2", alarm=True)
    sensor = repository.get_sensor_def("drift")
    tick = evaluate(sensor, instance, repository)
    (request,) = tick.run_requests
    assert request.partition_key == SECOND
    assert request.tags["tidemill/drifted_window"] == "window-2"
    assert not evaluate(sensor, instance, repository, tick.cursor).run_requests


def test_drift_waits_while_its_snapshot_is_under_way_and_asks_again_if_that_failed(repository, commit, judge, instance):
    judge(FIRST)
    commit("drift_report", "window-1", alarm=True)
    sensor = repository.get_sensor_def("drift")
    run = instance.create_run_for_job(
        repository.get_job("retrain"), tags={"dagster/partition": SECOND}, status=dg.DagsterRunStatus.STARTED
    )
    tick = evaluate(sensor, instance, repository)
    assert not tick.run_requests
    assert "under way" in tick.skip_message
    instance.report_run_failed(run)
    assert [request.partition_key for request in evaluate(sensor, instance, repository).run_requests] == [SECOND]


def test_drift_waits_where_every_snapshot_is_judged(repository, commit, judge, instance):
    judge(FIRST)
    judge(SECOND)
    commit("drift_report", "window-1", alarm=True)
    tick = evaluate(repository.get_sensor_def("drift"), instance, repository)
    assert not tick.run_requests
    assert "waiting for a snapshot" in tick.skip_message


@pytest.mark.parametrize(("day", "asked"), [("2026-01-12", ["2026-01-12"]), ("2026-01-19", [])])
def test_the_calendar_asks_for_the_snapshot_of_its_day(repository, day, asked, instance):
    schedule = repository.get_schedule_def("calendar")
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=repository)
    tick = schedule.evaluate_tick(context)
    assert [request.partition_key for request in tick.run_requests] == asked
