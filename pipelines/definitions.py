"""Assembles the one Dagster `Definitions`; decides nothing."""

import os

import dagster as dg

from assets.materialize import to_asset
from pipelines.jobs import lineage_jobs, monitor_job
from pipelines.lineage import lineage_of, monitoring_of
from pipelines.schedules import calendar_schedule
from pipelines.sensors import closed_window_sensor, drift_sensor
from pipelines.settings import settings_of_process
from pipelines.site import Site
from pipelines.spec import Spec


def definitions(spec: Spec, site: Site) -> dg.Definitions:
    """Everything that the UI and the daemon see of one profile.

    All from crawl to promotion is partitioned by snapshot dates, the request log and its drift
    reports by closed windows, as they close.
    """
    snapshots = spec.calendar.partitions()
    windows = dg.DynamicPartitionsDefinition(name=f"{spec.profile}_windows")
    lineage = lineage_of(spec)
    monitoring = monitoring_of(spec, site.requests(spec.model_name))
    jobs = lineage_jobs(lineage, snapshots)
    watching = monitor_job(monitoring, windows)
    parts = ((lineage, snapshots), (monitoring, windows))
    return dg.Definitions(
        assets=[to_asset(stage, part, partitions) for part, partitions in parts for stage in part.stages],
        jobs=[*jobs.values(), watching],
        sensors=[closed_window_sensor(spec, site, watching, windows), drift_sensor(spec, site, jobs["retrain"])],
        schedules=[calendar_schedule(spec, jobs["retrain"])],
        resources={"workplace": site.workplace(lineage.model)},
        executor=dg.in_process_executor,
    )


defs = definitions(settings_of_process(os.environ).spec, Site.resolve())
