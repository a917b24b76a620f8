"""MLflow as a projection of the lake: one finished run per artifact, versions and aliases from the journal.

Everything here can be made again from manifests and journal, so a kill at any moment, or the loss
of the whole database, costs nothing but the time to write it again. As a program,
`python -m resources.tracking FILE` makes the database.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resources.artifact import Artifact
from resources.errors import InputError, TidemillError
from resources.journal import Journal, State
from resources.lake import Lake

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

FINGERPRINT_TAG = "tidemill.fingerprint"
# What MLflow takes of one parameter, and in one call.
PARAM_CHARACTERS, BATCH_PARAMS, BATCH_METRICS = 6000, 100, 1000
FINISHED = (
    "tags t join runs r on r.run_uuid = t.run_uuid and t.key = ?"
    " and r.status = 'FINISHED' and r.lifecycle_stage = 'active'"
)
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@dataclass(frozen=True)
class Projection:
    """What MLflow shows at a moment, read from its store without loading it."""

    finished: frozenset[str]
    versions: int
    aliases: Mapping[str, int]

    def follows(self, state: State) -> bool:
        """Whether the registry says what the journal says."""
        return self.versions == len(state.versions) and self.aliases == _aliases(state)


class Tracking:
    """The MLflow store in `<home>/mlflow.db`, for the experiment and registered model `model`."""

    def __init__(self, home: Path, model: str):
        self.home, self.model = home, model
        self.database = home / "mlflow.db"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.database.resolve()}"

    # reading, without MLflow

    def projection(self) -> Projection:
        """Which fingerprints have a finished run, how many versions of ours there are, where the aliases point."""
        finished = _rows(self.database, f"select t.value from {FINISHED}", FINGERPRINT_TAG)
        versions = _rows(
            self.database, "select 1 from model_version_tags where name = ? and key = ?", self.model, FINGERPRINT_TAG
        )
        aliases = _rows(self.database, "select alias, version from registered_model_aliases where name = ?", self.model)
        places = {alias: int(version) for alias, version in aliases}
        return Projection(frozenset(row[0] for row in finished), len(versions), places)

    def is_behind(self, artifacts: Collection[Artifact], state: State) -> bool:
        """Whether MLflow lacks something that lake and journal have."""
        now = self.projection()
        return not now.follows(state) or any(artifact.fingerprint not in now.finished for artifact in artifacts)

    # writing

    def prepare(self) -> subprocess.Popen[bytes] | None:
        """Start making the database, if there is none, in a process of its own; None where there is one.

        Its schema is written to another file and put in place whole: a kill during MLflow's
        migrations would leave a database that no later start takes.
        """
        if self.database.exists():
            return None
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "resources.tracking", str(self.database)],
            env={**os.environ, **QUIET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client on this store; importing MLflow takes seconds, so nothing else does."""
        process = self.prepare()
        if process is not None:
            _, errors = process.communicate()
            if process.returncode != 0:
                raise TidemillError(f"MLflow's database could not be made in {self.database}: {errors.decode()[-500:]}")
        os.environ.update(QUIET)
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def record(
        self,
        artifact: Artifact,
        manifest: Mapping[str, Any],
        *,
        plots: Mapping[str, bytes],
        series: Mapping[str, Sequence[tuple[int, float]]],
        metrics: Mapping[str, float],
        seconds: float | None,
        dagster_run: str,
    ) -> str:
        """The id of the artifact's one run: found, completed after a kill, or made."""
        with self._locked():
            run = self._find(artifact.fingerprint)
            if run is None:
                name, tags = f"{artifact.stage} {artifact.partition}", _tags(artifact, dagster_run)
                run = self.client.create_run(self._experiment(), run_name=name, tags=tags)
            elif run.info.status == "FINISHED":
                return str(run.info.run_id)
            curves = {name: [(0, value)] for name, value in {**_numbers(artifact.stats), **metrics}.items()}
            if seconds is not None:
                curves["seconds"] = [(0, seconds)]
            self._log(run, artifact, manifest, {**curves, **series})
            self._log_plots(run, plots)
            self.client.set_terminated(run.info.run_id)
            return str(run.info.run_id)

    def follow(self, journal: Journal, lake: Lake) -> None:
        """Make the registry say what the journal says: the same versions in the same order, the same aliases."""
        if self.projection().follows(journal.read()):
            return
        from mlflow.exceptions import MlflowException

        with self._locked():
            state, now = journal.read(), self.projection()  # under the lock: a slow writer sets nothing back
            try:
                self.client.get_registered_model(self.model)
            except MlflowException:
                self.client.create_registered_model(self.model)
            for fingerprint, version in list(state.versions.items())[now.versions :]:
                artifact = lake.get(fingerprint)
                run = self._find(fingerprint)
                made = self.client.create_model_version(
                    self.model,
                    source=artifact.uri if artifact else f"collected:{fingerprint}",
                    run_id=run.info.run_id if run else None,
                    description=run.info.run_name if run else None,
                    tags={FINGERPRINT_TAG: fingerprint, "tidemill.stage": artifact.stage if artifact else ""},
                )
                if int(made.version) != version:
                    raise TidemillError(
                        f"MLflow gave {self.model} version {made.version} where the journal says {version}: "
                        f"something else registers under this name. Delete {self.database} and run again to rebuild it"
                    )
            wanted = _aliases(state)
            for alias in set(now.aliases) - set(wanted):
                self.client.delete_registered_model_alias(self.model, alias)
            for alias, number in wanted.items():
                self.client.set_registered_model_alias(self.model, alias, str(number))

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.model)
        if found is not None:
            return str(found.experiment_id)
        place = (self.home / "mlruns").resolve().as_uri()
        return str(self.client.create_experiment(self.model, artifact_location=place))

    def _find(self, fingerprint: str) -> Run | None:
        """The artifact's run, under whichever of the home's models it was made."""
        query = f"tags.`{FINGERPRINT_TAG}` = '{fingerprint}'"
        models = [experiment.experiment_id for experiment in self.client.search_experiments()]
        found = self.client.search_runs(models, query, max_results=1, order_by=["attributes.start_time"])
        return next(iter(found), None)

    def _log(
        self,
        run: Run,
        artifact: Artifact,
        manifest: Mapping[str, Any],
        series: Mapping[str, Sequence[tuple[int, float]]],
    ) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        run_id = run.info.run_id
        # Points carry the run's start as their time: written again after a kill, they are the same points.
        began = int(run.info.start_time)
        points = [Metric(name, float(value), began, step) for name, curve in series.items() for step, value in curve]
        params = [Param(name, str(value)[:PARAM_CHARACTERS]) for name, value in _flat(manifest["config"]) if name]
        for start in range(0, len(params), BATCH_PARAMS):
            self.client.log_batch(run_id, params=params[start : start + BATCH_PARAMS])
        for start in range(0, len(points), BATCH_METRICS):
            self.client.log_batch(run_id, metrics=points[start : start + BATCH_METRICS])
        datasets = []
        for parent in manifest["parents"]:
            name, folder = f"{parent['stage']} {parent['partition']}", f"{parent['stage']}/{parent['fingerprint']}"
            source = json.dumps({"uri": artifact.uri.replace(artifact.folder, folder)})
            dataset = Dataset(name, parent["digest"][:32], source_type="lake", source=source)
            datasets.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "input")]))
        if datasets:
            self.client.log_inputs(run_id, datasets=datasets)
        self.client.log_dict(run_id, dict(manifest), "manifest.json")

    def _log_plots(self, run: Run, plots: Mapping[str, bytes]) -> None:
        with TemporaryDirectory() as folder:
            for title, png in plots.items():
                path = Path(folder, f"{title.replace(' ', '_')}.png")
                path.write_bytes(png)
                self.client.log_artifact(run.info.run_id, str(path), "plots")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: finding a run and making it must not be parted."""
        self.home.mkdir(parents=True, exist_ok=True)
        _ = self.client
        with (self.home / "mlflow.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def seconds_by_fingerprint(database: Path) -> dict[str, float]:
    """How long each artifact took, from MLflow's SQLite store; empty where there is none."""
    seconds = "join metrics m on m.run_uuid = r.run_uuid and m.key = 'seconds' group by t.value"
    return dict(_rows(database, f"select t.value, max(m.value) from {FINISHED} {seconds}", FINGERPRINT_TAG))


def _rows(database: Path, query: str, *values: str) -> list[Any]:
    """What MLflow's store answers, read without MLflow; nothing where there is none.

    Opened for writing too: SQLite has to roll back what a kill in the middle of a commit left.

    Raises:
        InputError: if the file is no MLflow store.
    """
    if not database.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)) as db:
            return db.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"{database} cannot be read as MLflow's store ({error}); delete it and `tidemill run` writes it again"
        ) from error


def _aliases(state: State) -> dict[str, int]:
    return {alias: entry.version for alias, entry in state.aliases.items()}


def _tags(artifact: Artifact, dagster_run: str) -> dict[str, str]:
    tags = {
        FINGERPRINT_TAG: artifact.fingerprint,
        "tidemill.stage": artifact.stage,
        "tidemill.partition": artifact.partition or "",
        "tidemill.digest": artifact.digest,
        "tidemill.parents": " ".join(artifact.parents),
        "tidemill.folder": artifact.uri,
        "tidemill.dagster_run": dagster_run,
    }
    return {name: value for name, value in tags.items() if value}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _numbers(stats: Mapping[str, Any]) -> dict[str, float]:
    """The numeric counts of an artifact by dotted name; MLflow allows fewer characters in a name than we do."""
    flat = {"".join(c if c.isalnum() or c in "_-. " else "_" for c in name): value for name, value in _flat(stats)}
    return {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}


def make_database(target: Path) -> None:
    """Write MLflow's schema to a temporary file and put it in place whole, once however many ask."""
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        for leftover in target.parent.glob(f"{target.name}.making*"):
            leftover.unlink()
        partial = target.with_name(f"{target.name}.making")
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(f"sqlite:///{partial.resolve()}", (target.parent / "mlruns").resolve().as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
        os.replace(partial, target)


if __name__ == "__main__":
    make_database(Path(sys.argv[1]))
