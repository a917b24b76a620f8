"""Assembles the one Dagster `Definitions`; decides nothing."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets.materialize import to_asset
from assets.stage import Lineage
from pipelines.jobs import lineage_jobs, monitor_job
from pipelines.lineage import lineage_of, monitoring_of
from pipelines.schedules import calendar_schedule
from pipelines.sensors import closed_window_sensor, drift_sensor
from pipelines.settings import settings_of_process
from pipelines.site import Site
from pipelines.spec import Spec
from resources.artifact_store import ArtifactStore
from resources.workplace import Workplace


def lineage_assets(lineage: Lineage, prefix: str, partitions: dg.PartitionsDefinition) -> Sequence[dg.AssetsDefinition]:
    """A lineage as Dagster assets."""
    return [to_asset(stage, lineage, partitions, prefix) for stage in lineage.stages]


def snapshots_of(spec: Spec) -> dg.PartitionsDefinition:
    """The partitions of everything from crawl to promotion: snapshot dates."""
    return spec.calendar.partitions()


def windows_of(spec: Spec) -> dg.DynamicPartitionsDefinition:
    """The partitions of the request log and its drift reports: closed windows, as they close."""
    return dg.DynamicPartitionsDefinition(name=f"{spec.profile}_windows")


def partitions_of(lineage: Lineage, spec: Spec) -> dg.PartitionsDefinition:
    """The partitions that a lineage's assets have."""
    is_monitoring = any(stage.name == "request_log" for stage in lineage.stages)
    return windows_of(spec) if is_monitoring else snapshots_of(spec)


def resources(site: Site, model: str, workplace: Workplace | None = None) -> Mapping[str, Any]:
    """What the assets need of the outside world."""
    return {
        "artifacts": ArtifactStore(site.home / "dagster" / "artifacts"),
        "workplace": workplace or site.workplace(model),
    }


def definitions(spec: Spec, site: Site) -> dg.Definitions:
    """Everything that the UI and the daemon see of one profile."""
    lineage = lineage_of(spec)
    monitoring = monitoring_of(spec, site.requests(spec.model_name))
    jobs = lineage_jobs(lineage, spec.profile, snapshots_of(spec))
    watching = monitor_job(monitoring, spec.profile, windows_of(spec))
    retrain = next(job for job in jobs if job.name == "retrain")
    return dg.Definitions(
        assets=[
            *lineage_assets(lineage, spec.profile, snapshots_of(spec)),
            *lineage_assets(monitoring, spec.profile, windows_of(spec)),
        ],
        jobs=[*jobs, watching],
        sensors=[closed_window_sensor(spec, site, watching, windows_of(spec)), drift_sensor(spec, site, retrain)],
        schedules=[calendar_schedule(spec, retrain)],
        resources=resources(site, lineage.model),
        executor=dg.in_process_executor,
    )


defs = definitions(settings_of_process(os.environ).spec, Site.resolve())
