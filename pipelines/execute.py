"""Make what is missing: the lake is asked first, and only what it lacks goes through Dagster."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.stage import Known, Lineage, Plan, Stage
from pipelines.site import Site
from resources.build import Progress
from resources.errors import BuildError
from resources.lease import is_alive
from resources.store import write_whole
from resources.workplace import Workplace

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.spec import Spec

UNTOLD_S = 300.0
OURS = re.compile(r"^(resources|llm_core)\.[\w.]+: ")  # errors of ours say all that there is to know
INSTANCE_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  # One run at a time: trainings never share the machine. A pool would do it by step, but a killed run keeps its slot.
  runs:
    max_concurrent_runs: 1
"""


@dataclass(frozen=True)
class Made:
    """What a run ended with: every artifact asked for, and which of them were there before it."""

    known: Known
    cached: frozenset[tuple[str, str]]


def run(
    lineage: Lineage,
    spec: Spec,
    site: Site,
    stages: Sequence[Stage],
    snapshots: Sequence[str],
    report: Callable[[Progress], None],
) -> Made:
    """See that the artifacts of `stages` at `snapshots` exist, oldest snapshot first.

    Where all are there, no Dagster run and no MLflow run is added; where only MLflow or the
    journal lacks something, that alone is written.

    Raises:
        TidemillError: the first stage's error, or the first blocking check that failed.
    """
    workplace = site.workplace(lineage.model, report)
    plan = lineage.look_up(stages, snapshots, workplace.lake, workplace.journal)
    before = frozenset(plan.known)
    if plan.missing:
        preparing = workplace.tracking.prepare()
        try:
            _materialize(lineage, spec, workplace, site, plan, stages)
        finally:
            if preparing is not None:
                preparing.communicate()
        plan = lineage.look_up(stages, snapshots, workplace.lake, workplace.journal)
        if plan.missing:
            what = " of ".join(plan.missing[0])
            raise BuildError(f"{what} was not made, though its run ended well; see `tidemill verify`")
    settle(lineage, plan.known, workplace)
    asked = {(stage.name, snapshot) for stage in stages for snapshot in snapshots}
    return Made({key: artifact for key, artifact in plan.known.items() if key in asked}, before)


def settle(lineage: Lineage, known: Known, workplace: Workplace) -> None:
    """Make journal, MLflow runs, versions and aliases say what these artifacts say; usually they do."""
    state = workplace.journal.read()
    if lineage.is_settled(known, state) and not workplace.tracking.is_behind(list(known.values()), state):
        return
    from assets.materialize import record

    for (name, _), artifact in known.items():
        stage = lineage.stage(name)
        record(stage, artifact, stage.exhibit(workplace.lake.local(artifact)), workplace)
    workplace.tracking.follow(workplace.journal, workplace.lake)  # last: a version names its run


def _materialize(
    lineage: Lineage, spec: Spec, workplace: Workplace, site: Site, plan: Plan, stages: Sequence[Stage]
) -> None:
    import dagster as dg

    from assets.materialize import to_asset

    partitions = spec.calendar.partitions()
    assets = [to_asset(stage, lineage, partitions) for stage in lineage.stages]
    with open_instance(site.home) as instance:
        close_dead_runs(instance)
        for snapshot in dict.fromkeys(partition for _, partition in plan.missing):
            result = dg.materialize(
                assets,
                selection=[dg.AssetKey([lineage.profile, stage.name]) for stage in stages],
                partition_key=snapshot,
                instance=instance,
                resources={"workplace": workplace},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
            if not result.success:
                raise _error_of(result, snapshot)


def open_instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance of a home, that command and UI share."""
    import dagster as dg

    config = home / "dagster" / "dagster.yaml"
    if not config.exists():
        write_whole(config, INSTANCE_YAML.encode())
    return dg.DagsterInstance.from_config(str(config.parent))


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs whose process was killed as failed: the UI would show them running, and the queue wait, for ever.

    A run tells its process at its first asset; one that has not done so for `UNTOLD_S` was killed before.
    """
    import dagster as dg

    from assets.materialize import PROCESS_TAG

    under_way = [dg.DagsterRunStatus[name] for name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=under_way)):
        told = record.dagster_run.tags.get(PROCESS_TAG)
        if not is_alive(json.loads(told)) if told else time.time() - record.update_timestamp.timestamp() > UNTOLD_S:
            instance.report_run_failed(record.dagster_run, message="its process was killed; the next run goes on")


def _error_of(result: dg.ExecuteInProcessResult, snapshot: str) -> BaseException:
    """The first failed step's own error, in the words of what it came from."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None and not OURS.match(error.message):
                error = error.cause
            if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
                return KeyboardInterrupt()
            text = OURS.sub("", error.message.strip()) if error is not None else "no error was recorded"
            return BuildError(f"{str(event.step_key).partition('__')[2]} of {snapshot}: {text}")
    return BuildError(f"the run of {snapshot} failed; see `tidemill ui`")
