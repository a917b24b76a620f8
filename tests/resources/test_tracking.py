"""MLflow as a projection: one finished run an artifact, versions and aliases as the journal has them."""

import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from resources.errors import InputError, TidemillError
from resources.journal import Journal
from resources.lake import Lake
from resources.tracking import FINGERPRINT_TAG, Projection, Tracking, seconds_by_fingerprint
from tests.resources.conftest import Counter, recipe

pytestmark = pytest.mark.slow
MODEL = "tidemill-test"


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory) -> Path:
    """MLflow's database without a run; its schema takes seconds to make."""
    home = tmp_path_factory.mktemp("schema")
    tracking = Tracking(home, MODEL)
    assert tracking.client is not None
    return tracking.database


@pytest.fixture
def tracking(empty_database, lake) -> Tracking:
    lake.home.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_database, lake.home / "mlflow.db")
    return Tracking(lake.home, MODEL)


@pytest.fixture
def journal(lake) -> Journal:
    return Journal(lake.store, MODEL)


def record(tracking: Tracking, lake: Lake, artifact, **given) -> str:
    asked = {"plots": {}, "series": {}, "metrics": {}, "seconds": None, "dagster_run": "", **given}
    return tracking.record(artifact, lake.manifest(artifact), **asked)


def test_before_the_first_run_there_is_nothing_and_reading_makes_no_database(tmp_path):
    tracking = Tracking(tmp_path, MODEL)
    assert tracking.projection() == Projection(frozenset(), 0, {})
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_has_one_finished_run_with_all_that_there_is_to_know(tracking, lake):
    parent, _ = lake.build(recipe("words"), Counter(1))
    artifact, _ = lake.build(recipe("numbers", parent, size={"of": 3}), Counter())
    run_id = record(
        tracking,
        lake,
        artifact,
        plots={"loss curve": b"\x89PNG"},
        series={"loss": [(0, 2.0), (1, 1.5)]},
        metrics={"bits per byte": 1.25},
        seconds=3.0,
        dagster_run="dagster-1",
    )
    assert record(tracking, lake, artifact) == run_id
    assert tracking.projection().finished == {artifact.fingerprint}
    run = tracking.client.get_run(run_id)
    assert run.data.tags[FINGERPRINT_TAG] == artifact.fingerprint
    assert run.data.tags["tidemill.parents"] == parent.fingerprint
    assert run.data.params == {"size.of": "3"}
    assert run.data.metrics == {"files": 3.0, "bits per byte": 1.25, "loss": 1.5, "seconds": 3.0}
    assert [(m.step, m.value) for m in tracking.client.get_metric_history(run_id, "loss")] == [(0, 2.0), (1, 1.5)]
    assert [found.dataset.name for found in run.inputs.dataset_inputs] == ["words 2026-01-05"]
    assert {file.path for file in tracking.client.list_artifacts(run_id)} == {"manifest.json", "plots"}


def test_an_artifact_that_two_models_share_has_one_run(tracking, lake):
    artifact, _ = lake.build(recipe("raw_crawl"), Counter(1))
    run_id = record(tracking, lake, artifact)
    assert record(Tracking(lake.home, "tidemill-other"), lake, artifact) == run_id


@pytest.mark.parametrize("step", ["_log", "_log_plots", "client"])
def test_a_run_that_a_kill_left_open_is_completed_and_not_doubled(tracking, lake, monkeypatch, step):
    artifact, _ = lake.build(recipe(), Counter())
    given = {"plots": {"curve": b"\x89PNG"}, "series": {"loss": [(0, 2.0), (1, 1.5)]}}

    def dies(*arguments, **words):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((tracking.client, "set_terminated") if step == "client" else (tracking, step)), dies)
        with pytest.raises(KeyboardInterrupt):
            record(tracking, lake, artifact, **given)
    assert tracking.projection().finished == frozenset()
    run_id = record(Tracking(lake.home, MODEL), lake, artifact, **given)
    experiment = tracking.client.get_experiment_by_name(MODEL)
    runs = tracking.client.search_runs([experiment.experiment_id])
    assert [(run.info.run_id, run.info.status) for run in runs] == [(run_id, "FINISHED")]
    assert len(tracking.client.get_metric_history(run_id, "loss")) == 2


def story(lake: Lake, journal: Journal, tracking: Tracking) -> list:
    """Three checkpoints: promoted, promoted, refused; then a rollback."""
    models = [lake.build(recipe("checkpoint", n=n), Counter(1))[0] for n in range(3)]
    for n, kind in enumerate(("promoted", "promoted", "kept")):
        verdict, _ = lake.build(recipe("promotion", models[n], n=n), Counter(1))
        journal.decide(kind, models[n], verdict, "")
        record(tracking, lake, models[n])
        record(tracking, lake, verdict)
        tracking.follow(journal, lake)
    return list(lake.artifacts())


def test_versions_and_aliases_follow_the_journal(tracking, lake, journal):
    artifacts = story(lake, journal, tracking)
    assert tracking.projection() == Projection(
        frozenset(a.fingerprint for a in artifacts), 3, {"champion": 2, "challenger": 3}
    )
    assert not tracking.is_behind(artifacts, journal.read())
    journal.roll_back("for the test")
    assert tracking.is_behind(artifacts, journal.read())
    tracking.follow(journal, lake)
    assert dict(tracking.projection().aliases) == {"champion": 1}
    version = tracking.client.get_model_version_by_alias(MODEL, "champion")
    assert version.tags[FINGERPRINT_TAG] == journal.read().champion.fingerprint
    assert version.run_id


def test_following_a_journal_that_says_the_same_writes_nothing(tracking, lake, journal, monkeypatch):
    story(lake, journal, tracking)
    monkeypatch.setattr(Tracking, "client", property(lambda self: pytest.fail("MLflow was written to")))
    tracking.follow(journal, lake)


def test_a_writer_that_waited_sets_nothing_back(tracking, lake, journal, monkeypatch):
    """What is decided while it waits for its turn counts."""
    story(lake, journal, tracking)
    journal.roll_back("")
    locked = tracking._locked

    @contextmanager
    def late():
        with locked():
            newest, verdict = (lake.build(recipe(name, n=9), Counter(1))[0] for name in ("checkpoint", "promotion"))
            journal.decide("promoted", newest, verdict, "")
            yield

    monkeypatch.setattr(tracking, "_locked", late)
    tracking.follow(journal, lake)
    assert dict(tracking.projection().aliases) == {"champion": 4}


def test_every_parameter_is_logged_and_long_ones_far(tracking, lake):
    config = {f"p{number:03}": "x" * 5000 for number in range(130)}
    artifact, _ = lake.build(recipe(**config), Counter(1))
    assert tracking.client.get_run(record(tracking, lake, artifact)).data.params == config


def test_a_lost_database_is_written_again_from_lake_and_journal(tracking, lake, journal, empty_database, tmp_path):
    artifacts = story(lake, journal, tracking)
    before = tracking.projection()
    tracked = {n: tracking.client.get_model_version(MODEL, str(n)).tags[FINGERPRINT_TAG] for n in (1, 2, 3)}
    again = tmp_path / "again"  # MLflow keeps a deleted file open, so the new one lies elsewhere
    again.mkdir()
    shutil.copy(empty_database, again / "mlflow.db")
    fresh = Tracking(again, MODEL)
    assert fresh.is_behind(artifacts, journal.read())
    for artifact in artifacts:
        record(fresh, lake, artifact)
    fresh.follow(journal, lake)
    assert fresh.projection() == before
    assert {n: fresh.client.get_model_version(MODEL, str(n)).tags[FINGERPRINT_TAG] for n in (1, 2, 3)} == tracked


def test_a_database_that_is_not_there_is_made_whole_by_one_of_two_that_ask(tmp_path):
    """Two processes make it at once: one does, the other takes it; nothing half-made is left."""
    tracking = Tracking(tmp_path / "home", MODEL)
    makers = [tracking.prepare(), tracking.prepare()]
    assert [maker.wait() for maker in makers if maker is not None] == [0, 0]
    assert tracking.prepare() is None
    assert tracking.projection() == Projection(frozenset(), 0, {})
    assert not list(tracking.home.glob("*.making*"))


def test_a_version_that_someone_else_registered_is_named(tracking, lake, journal):
    tracking.client.create_registered_model(MODEL)
    tracking.client.create_model_version(MODEL, source="elsewhere")
    journal.register(lake.build(recipe("checkpoint"), Counter(1))[0])
    with pytest.raises(
        TidemillError, match="version 2 where the journal says 1: something else registers under this name"
    ):
        tracking.follow(journal, lake)


def test_a_checkpoint_that_was_collected_keeps_its_version(tracking, lake, journal):
    from resources.collection import remove_artifacts

    artifact, _ = lake.build(recipe("checkpoint"), Counter(1))
    journal.register(artifact)
    remove_artifacts(lake, [artifact])
    tracking.follow(journal, lake)
    assert tracking.client.get_model_version(MODEL, "1").source == f"collected:{artifact.fingerprint}"


CUT_SHORT = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("pragma cache_size=1")
rows = [(str(number), "x" * 3000) for number in range(500)]
db.executemany("insert into experiment_tags (key, value, experiment_id) values (?, ?, 0)", rows)
os._exit(9)
"""


def test_a_kill_in_the_middle_of_a_commit_hinders_no_reader(tracking, lake):
    artifact, _ = lake.build(recipe("numbers"), Counter(1))
    record(tracking, lake, artifact, seconds=3.0)
    home = tracking.home / "a home # of its own"  # a path that means something else in a URL
    home.mkdir()
    shutil.copy(tracking.database, home)
    subprocess.run([sys.executable, "-c", CUT_SHORT, str(home / "mlflow.db")], check=False)
    assert (home / "mlflow.db-journal").exists()
    assert Tracking(home, MODEL).projection().finished == {artifact.fingerprint}
    assert seconds_by_fingerprint(home / "mlflow.db") == {artifact.fingerprint: 3.0}
    assert {path.name for path in tracking.home.iterdir()} >= {home.name, "mlflow.db"}


def test_a_file_that_is_no_database_is_named_with_its_mend(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, whatever its name says")
    with pytest.raises(InputError, match="delete it and `tidemill run` writes it again"):
        Tracking(tmp_path, MODEL).projection()
