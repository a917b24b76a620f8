"""What happens by itself: closed windows are judged, and drift asks for the next snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from assets.monitor.windows import closed_windows
from pipelines.drift import drift_reports
from pipelines.execute import close_dead_runs
from pipelines.site import Site
from pipelines.spec import Spec

INTERVAL_S = 5
UNDER_WAY = [dg.DagsterRunStatus[name] for name in ("QUEUED", "NOT_STARTED", "STARTING", "STARTED")]


def closed_window_sensor(
    spec: Spec, site: Site, job: dg.UnresolvedAssetJobDefinition, windows: dg.DynamicPartitionsDefinition
) -> dg.SensorDefinition:
    """A run of `monitor` for each window of the request log that has closed."""

    @dg.sensor(
        name=f"closed_windows_{spec.profile}",
        job=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Judges each window of the request log once it has closed.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        close_dead_runs(context.instance)
        workplace = site.workplace(spec.model_name)
        closed = [window.stem for window in closed_windows(site.requests(spec.model_name))]
        references = str(sum(1 for _ in workplace.lake.artifacts("reference")))
        last, _, tried = (context.cursor or "").partition(" ")
        new = [name for name in closed if name > last]
        if tried != references:  # a window fails while its model has no reference: each new one gives it another try
            judged = {report.partition for report in drift_reports(workplace.lake, workplace.journal.read())}
            new = [name for name in closed if name not in judged]
        if not new:
            return dg.SkipReason(f"{len(closed)} closed windows, none of them new")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(partition_key=name, run_key=f"window {name} {references}") for name in new],
            dynamic_partitions_requests=[windows.build_add_request(new)],
            cursor=f"{closed[-1]} {references}",
        )

    return sense


def drift_sensor(spec: Spec, site: Site, job: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """A run of `retrain` at the next snapshot, once a window has drifted."""

    @dg.sensor(
        name=f"drift_{spec.profile}",
        job=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Drift in a window asks for the next snapshot: crawl, train from the champion, judge, promote.",
    )
    def sense(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        workplace = site.workplace(spec.model_name)
        registry = workplace.journal.read()
        reports = [a for a in drift_reports(workplace.lake, registry) if str(a.partition) > (context.cursor or "")]
        champion = registry.champion and registry.champion.fingerprint
        # What drifted from a model that does not serve any more asks for nothing.
        drifted = sorted(str(a.partition) for a in reports if a.stats["alarm"] and champion in a.parents)
        if not drifted:
            yield dg.SkipReason("no new window has drifted")
            return
        snapshot = registry.next_snapshot(spec.calendar.dates())
        if snapshot is None:
            yield dg.SkipReason(f"window {drifted[0]} drifted; waiting for a snapshot that is not judged yet")
            return
        tags = {"dagster/partition": snapshot, "tidemill/profile": spec.profile}
        asked = dg.RunsFilter(job_name=job.name, tags=tags, statuses=UNDER_WAY)
        if context.instance.get_runs(filters=asked, limit=1):
            yield dg.SkipReason(f"window {drifted[0]} drifted; a run for {snapshot} is under way")
            return
        context.update_cursor(max(str(a.partition) for a in reports))
        context.log.info(f"window {drifted[0]} drifted: retraining on the snapshot of {snapshot}")
        # The window is in the key: should this run fail, the next window that drifts asks again.
        yield dg.RunRequest(
            partition_key=snapshot,
            run_key=f"drift {spec.profile} {drifted[0]} {snapshot}",
            tags={"tidemill/drifted_window": drifted[0], "dagster/priority": "1"},
        )

    return sense
