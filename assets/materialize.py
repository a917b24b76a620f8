"""A declared stage as the Dagster asset that people see: inputs in, one build, and a report of what came out."""

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError

from assets.champion import champion_before_snapshot
from assets.documents import DOCUMENT_SCHEMA
from assets.exhibits import Exhibits
from assets.stage import Finding, Inputs, Lineage, Stage, Take
from resources.artifact import Artifact
from resources.build import Launch
from resources.errors import BuildError
from resources.lease import this_process
from resources.workplace import Workplace

# Dagster walks back over this many ticks for each input, so it is no larger than a year past those there are.
TICKS_AHEAD = 53
INLINE_PLOT_BYTES = 60_000
OWNER = "team:tidemill"
GROUPS = ("crawl", "corpus", "tokens", "model", "variants", "judgement", "monitoring")  # as data flows
PROCESS_TAG = "tidemill/process"
REFUSED = "code 2"  # the status for errors of ours: they come again, so only other ends are crashes
_COLUMNS = dg.TableSchema.from_name_type_dict({column.name: str(column.type) for column in DOCUMENT_SCHEMA})


def to_asset(stage: Stage, lineage: Lineage, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The Dagster asset of a stage: one partition a snapshot, data version = digest, code version = VERSION."""
    checks = [
        dg.AssetCheckSpec(name, asset=dg.AssetKey([lineage.profile, stage.name]), blocking=True)
        for name in stage.checks
    ]

    @dg.asset(
        name=stage.name,
        key_prefix=lineage.profile,
        group_name=f"{GROUPS.index(stage.group) + 1}_{stage.group}",  # the pages sort groups by name
        description=stage.description,
        kinds=set(stage.kinds),
        owners=[OWNER],
        code_version=str(stage.version),
        partitions_def=partitions,
        deps=_deps(stage, lineage, partitions),
        check_specs=checks,
        required_resource_keys={"workplace"},
        metadata={"dagster/column_schema": _COLUMNS} if stage.is_documents else {},
    )
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        context.instance.add_run_tags(context.run_id, {PROCESS_TAG: json.dumps(this_process())})
        yield _materialize(context, stage, lineage, context.resources.workplace)

    return materialize


def _materialize(
    context: dg.AssetExecutionContext, stage: Stage, lineage: Lineage, workplace: Workplace
) -> dg.MaterializeResult[None]:
    """Build what the lake lacks. Inputs are found by the spec's keys, not by what was materialized last."""
    partition = context.partition_key
    started = time.monotonic()
    known = lineage.look_up((), [partition], workplace.lake, workplace.journal).known
    artifact, inputs, is_cached = lineage.carried_over(stage, partition, known), None, True
    if artifact is None:
        inputs = lineage.inputs(stage, partition, known, workplace.lake, workplace.journal)
        local = Inputs({name: [workplace.lake.local(a) for a in given] for name, given in inputs.given.items()})
        artifact, is_cached = workplace.lake.build(
            stage.recipe(partition, inputs),
            lambda build: stage.run(build, local),
            workers=workplace.workers,
            report=lambda told: workplace.report(replace(told, label=f"{stage.name} {partition}: {told.label}")),
            launch=_through_pipes(context),
        )
    seconds = None if is_cached else time.monotonic() - started
    findings = stage.findings(artifact, inputs) if inputs else {}
    exhibits = stage.exhibit(workplace.lake.local(artifact))
    run = None
    if all(finding.passed for finding in findings.values()):
        run = record(stage, artifact, exhibits, workplace, seconds=seconds, dagster_run=context.run_id)
        workplace.tracking.follow(workplace.journal, workplace.lake)
    context.log.info(f"{stage.name} {partition}: {artifact.fingerprint} ({'cached' if is_cached else 'made'})")
    carried = Finding(True, "checked at the snapshot that made it")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.digest),
        metadata=_metadata(stage, artifact, exhibits, is_cached, seconds, run),
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=finding.passed, metadata={"finding": finding.detail})
            for name, finding in ((name, findings.get(name, carried)) for name in stage.checks)
        ],
    )


def record(
    stage: Stage,
    artifact: Artifact,
    exhibits: Exhibits,
    workplace: Workplace,
    *,
    seconds: float | None = None,
    dagster_run: str = "",
) -> str:
    """See that the journal has what the artifact decides, and MLflow its one run; returns the run's id."""
    if stage.registers:
        workplace.journal.register(artifact)
    if stage.settle is not None:
        stage.settle(artifact, workplace.lake, workplace.journal)
    return workplace.tracking.record(
        artifact,
        workplace.lake.manifest(artifact),
        plots=exhibits.plots,
        series=exhibits.series,
        metrics=exhibits.metrics,
        seconds=seconds,
        dagster_run=dagster_run,
    )


def _deps(stage: Stage, lineage: Lineage, partitions: dg.PartitionsDefinition) -> list[dg.AssetDep]:
    takes = dict(stage.inputs)
    if stage.made_once or stage.look_up is champion_before_snapshot:
        # What a checkpoint continues from is decided downstream of its own previous partition, and
        # two assets may not depend on each other: the edge is the asset on itself.
        takes.setdefault(stage.name, Take.EARLIER)
    reach = len(lineage.snapshots) + TICKS_AHEAD
    return [
        dg.AssetDep(dg.AssetKey([lineage.profile, name]), partition_mapping=_mapping(take, partitions, reach))
        for name, take in takes.items()
    ]


def _mapping(take: Take, partitions: dg.PartitionsDefinition, reach: int) -> dg.PartitionMapping:
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return dg.IdentityPartitionMapping()
    if take is Take.SAME:
        return dg.TimeWindowPartitionMapping()
    last = -1 if take is Take.EARLIER else 0
    return dg.TimeWindowPartitionMapping(-reach, last, allow_nonexistent_upstream_partitions=True)


def _through_pipes(context: dg.AssetExecutionContext) -> Launch:
    """Runs a command as a Dagster Pipes session of the asset, so that its log streams to the run."""

    def launch(command: Sequence[str], environment: Mapping[str, str]) -> None:
        try:
            dg.PipesSubprocessClient().run(
                command=list(command), env={**os.environ, **environment}, context=context.op_execution_context
            )
        except DagsterPipesExecutionError as error:
            what = f"{' '.join(command)}: {error}"
            if what.endswith(REFUSED):
                raise BuildError(f"{what}; the last line that it wrote says why") from None
            crash = BuildError(f"{what}; run again to continue from its checkpoint")
            raise dg.RetryRequested(max_retries=1) from crash

    return launch


def _metadata(
    stage: Stage, artifact: Artifact, exhibits: Exhibits, is_cached: bool, seconds: float | None, run: str | None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "fingerprint": artifact.fingerprint,
        "digest": artifact.digest,
        "folder": dg.MetadataValue.path(artifact.uri),
        "cached": is_cached,
        "mlflow_run": run or "none: a check failed",
        "stats": dg.MetadataValue.json(json.loads(json.dumps(artifact.stats))),
        **{name: float(value) for name, value in exhibits.metrics.items()},
    }
    if seconds is not None:
        metadata["seconds"] = round(seconds, 3)
    if stage.is_documents:
        metadata["dagster/row_count"] = int(artifact.stats["kept"])
    if exhibits.samples:
        metadata["samples"] = dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in exhibits.samples])
    for title, png in exhibits.plots.items():
        inline = dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")
        linked = f"plots/{title.replace(' ', '_')}.png of MLflow's run {run}"
        metadata[title] = inline if len(png) <= INLINE_PLOT_BYTES else linked
    return metadata
