"""What happens by itself: which runs the sensors and the schedule ask for, from the request log and the journal."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.materialize import PROCESS_TAG
from pipelines.calendar import Calendar
from pipelines.definitions import definitions
from pipelines.execute import open_instance
from pipelines.site import Site
from pipelines.spec import Spec, load
from resources.artifact import Artifact, Recipe
from resources.build import Outcome
from resources.lease import this_process

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

    def make(stage: str, partition: str, *parents: Artifact, **stats: object) -> Artifact:
        recipe = Recipe(stage, partition, {"made": f"{partition} {json.dumps(stats)}"}, parents=parents)
        lake = site.workplace(spec.model_name).lake
        return lake.build(recipe, lambda build: (build.write("words", stage), Outcome(stats))[1])[0]

    return make


@pytest.fixture
def judge(site: Site, spec: Spec, commit: Callable[..., Artifact]) -> Callable[[str], Artifact]:
    """Registers a model at a snapshot, and promotes it."""

    def decide(snapshot: str) -> Artifact:
        checkpoint = commit("pretrained_checkpoint", snapshot)
        journal = site.workplace(spec.model_name).journal
        journal.register(checkpoint)
        journal.decide("promoted", checkpoint, commit("promotion", snapshot), "better")
        return checkpoint

    return decide


def evaluate(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, cursor=None
):
    context = dg.build_sensor_context(instance_ref=instance.get_ref(), cursor=cursor, repository_def=repository)
    return sensor.evaluate_tick(context)


def test_each_window_is_judged_once_after_it_closed(site, spec, repository, instance):
    folder = site.requests(spec.model_name)
    folder.mkdir(parents=True)
    sensor = repository.get_sensor_def("closed_windows_smoke")
    (folder / "20260105T000000-000000001.jsonl").touch()
    assert evaluate(sensor, instance, repository).skip_message == "0 closed windows, none of them new"
    for first in ("000000061", "000000121"):
        (folder / f"20260105T000000-{first}.jsonl").touch()
    tick = evaluate(sensor, instance, repository)
    closed = ["20260105T000000-000000001", "20260105T000000-000000061"]
    assert [request.partition_key for request in tick.run_requests] == closed
    assert [request.partition_keys for request in tick.dynamic_partitions_requests] == [closed]
    assert not evaluate(sensor, instance, repository, tick.cursor).run_requests


def test_a_window_without_a_report_is_asked_for_again_once_there_is_another_reference(
    site, spec, repository, commit, judge, instance
):
    folder = site.requests(spec.model_name)
    folder.mkdir(parents=True)
    windows = [f"20260105T000000-00000000{first}" for first in (1, 2, 3)]
    for name in windows:
        (folder / f"{name}.jsonl").touch()
    sensor = repository.get_sensor_def("closed_windows_smoke")
    first = evaluate(sensor, instance, repository)
    commit("drift_report", windows[0], judge(FIRST), alarm=False)
    commit("reference", FIRST)
    again = evaluate(sensor, instance, repository, first.cursor)
    assert [request.partition_key for request in again.run_requests] == [windows[1]]
    assert again.run_requests[0].run_key not in [request.run_key for request in first.run_requests]
    assert not evaluate(sensor, instance, repository, again.cursor).run_requests


def test_no_drift_asks_for_nothing(repository, commit, judge, instance):
    commit("drift_report", "window-1", judge(FIRST), alarm=False)
    assert not evaluate(repository.get_sensor_def("drift_smoke"), instance, repository).run_requests


def test_drift_asks_for_the_next_snapshot_once(repository, commit, judge, instance):
    champion = judge(FIRST)
    commit("drift_report", "window-1", champion, alarm=False)
    commit("drift_report", "window-2", champion, alarm=True)
    sensor = repository.get_sensor_def("drift_smoke")
    tick = evaluate(sensor, instance, repository)
    (request,) = tick.run_requests
    assert request.partition_key == SECOND
    assert request.tags["tidemill/drifted_window"] == "window-2"
    assert not evaluate(sensor, instance, repository, tick.cursor).run_requests


def test_drift_of_another_model_in_the_same_lake_asks_for_nothing(repository, commit, judge, instance, site):
    judge(FIRST)
    other = commit("pretrained_checkpoint", FIRST, model="another")
    site.workplace("tidemill-other").journal.register(other)
    commit("drift_report", "window-1", other, alarm=True)
    assert not evaluate(repository.get_sensor_def("drift_smoke"), instance, repository).run_requests


def test_drift_from_a_model_that_was_replaced_asks_for_nothing(repository, commit, judge, instance):
    old = judge(FIRST)
    commit("drift_report", "window-1", old, alarm=True)
    sensor = repository.get_sensor_def("drift_smoke")
    tick = evaluate(sensor, instance, repository)
    assert [request.partition_key for request in tick.run_requests] == [SECOND]
    commit("drift_report", "window-2", old, alarm=True)  # closed while the retraining ran
    judge(SECOND)
    later = evaluate(sensor, instance, repository, tick.cursor)
    assert not later.run_requests
    assert later.skip_message == "no new window has drifted"


def test_two_profiles_of_a_home_keep_their_places_apart(spec, site):
    other = spec.model_copy(update={"profile": "other"})
    ours, theirs = (definitions(made, site) for made in (spec, other))
    for kind in ("sensors", "schedules"):
        names = [{one.name for one in getattr(made, kind)} for made in (ours, theirs)]
        assert names[0].isdisjoint(names[1])


def test_drift_waits_while_its_snapshot_is_under_way_and_asks_again_if_that_failed(repository, commit, judge, instance):
    commit("drift_report", "window-1", judge(FIRST), alarm=True)
    sensor = repository.get_sensor_def("drift_smoke")
    run = instance.create_run_for_job(
        repository.get_job("retrain"),
        tags={"dagster/partition": SECOND, "tidemill/profile": "smoke"},
        status=dg.DagsterRunStatus.STARTED,
    )
    tick = evaluate(sensor, instance, repository)
    assert not tick.run_requests
    assert "under way" in tick.skip_message
    instance.report_run_failed(run)
    assert [request.partition_key for request in evaluate(sensor, instance, repository).run_requests] == [SECOND]


def test_drift_waits_where_every_snapshot_is_judged(repository, commit, judge, instance):
    judge(FIRST)
    commit("drift_report", "window-1", judge(SECOND), alarm=True)
    tick = evaluate(repository.get_sensor_def("drift_smoke"), instance, repository)
    assert not tick.run_requests
    assert "waiting for a snapshot" in tick.skip_message


@pytest.mark.parametrize(("day", "asked"), [("2026-01-12", ["2026-01-12"]), ("2026-01-19", [])])
def test_the_calendar_asks_for_the_snapshot_of_its_day(repository, day, asked, instance):
    schedule = repository.get_schedule_def("calendar_smoke")
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=repository)
    tick = schedule.evaluate_tick(context)
    assert [request.partition_key for request in tick.run_requests] == asked


def test_an_open_calendar_ticks_by_itself_and_a_closed_one_when_told(spec, site):
    def status(calendar: Calendar) -> dg.DefaultScheduleStatus:
        made = definitions(spec.model_copy(update={"calendar": calendar}), site).get_repository_def()
        return made.get_schedule_def("calendar_smoke").default_status

    assert status(Calendar()) is dg.DefaultScheduleStatus.RUNNING
    assert status(spec.calendar) is dg.DefaultScheduleStatus.STOPPED


def test_runs_whose_process_is_gone_leave_the_queue(repository, instance, monkeypatch):
    def start(**tags: str) -> str:
        job, status = repository.get_job("retrain"), dg.DagsterRunStatus.STARTED
        return instance.create_run_for_job(job, tags=tags, status=status).run_id

    def under_way() -> list[str]:
        evaluate(repository.get_sensor_def("closed_windows_smoke"), instance, repository)
        states = {run.run_id: run.status for run in instance.get_runs()}
        return [run for run in (here, reused, untold) if states[run] is dg.DagsterRunStatus.STARTED]

    me = this_process()
    here = start(**{PROCESS_TAG: json.dumps(me)})
    reused = start(**{PROCESS_TAG: json.dumps({**me, "started": me["started"] - 1})})
    untold = start()
    assert under_way() == [here, untold]
    monkeypatch.setattr("pipelines.execute.UNTOLD_S", -1)
    assert under_way() == [here]
