"""Retraining by calendar: each snapshot date is a run of the whole lineage."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from pipelines.spec import Spec


def calendar_schedule(spec: Spec, retrain: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """A run of `retrain` at each tick of the calendar's cron line, for the snapshot of that day."""

    @dg.schedule(
        name=f"calendar_{spec.profile}",
        job=retrain,
        cron_schedule=spec.calendar.cron,
        execution_timezone="UTC",
        # Like the sensors, it is on by itself; the dates of a closed calendar are run when asked for.
        default_status=dg.DefaultScheduleStatus["STOPPED" if spec.calendar.snapshots else "RUNNING"],
        description="Crawl, retrain and judge at each date of the calendar.",
    )
    def calendar(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        snapshot = context.scheduled_execution_time.strftime("%Y-%m-%d")
        if snapshot in spec.calendar.dates():
            yield dg.RunRequest(partition_key=snapshot, run_key=f"calendar {spec.profile} {snapshot}")
        else:
            yield dg.SkipReason(f"the calendar has no snapshot of {snapshot}")

    return calendar
