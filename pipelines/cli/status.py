"""`tidemill status`: where a home stands."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from pipelines.drift import drift_reports
from pipelines.execute import open_instance
from resources.artifact import Artifact
from resources.journal import Entry
from resources.lake import Lake

LAST_RUNS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)


def run(options: argparse.Namespace) -> int:
    site = site_of(options)
    model = spec_of(options, site).model_name
    workplace = site.workplace(model)
    state = workplace.journal.read()
    answer = {
        "home": str(site.home),
        "profile": model.removeprefix("tidemill-"),
        "champion": _named(model, state.champion, state.entries),
        "challenger": _named(model, state.challenger, state.entries),
        "versions": len(state.versions),
        "drift": _drift(drift_reports(workplace.lake, state)),
        "runs": _last_runs(site.home),
        "sizes": _sizes(workplace.lake),
    }
    if options.json:
        print(json.dumps(answer))
    else:
        _tell(answer)
    return 0


def _named(model: str, entry: Entry | None, entries: Sequence[Entry]) -> dict[str, Any] | None:
    if entry is None:
        return None
    made = next(e.partition for e in entries if e.version == entry.version)  # a rollback speaks at a later snapshot
    return {"name": model, "version": entry.version, "snapshot": made, "fingerprint": entry.fingerprint}


def _drift(reports: Sequence[Artifact]) -> dict[str, Any] | None:
    """The newest drift report, as its counts tell it; None before the first closed window."""
    return {"window": reports[-1].partition, **reports[-1].stats} if reports else None


def _last_runs(home: Path) -> list[dict[str, str]]:
    if not (home / "dagster").exists():
        return []
    with open_instance(home) as instance:
        runs = [(run, run.tags.get("dagster/partition", "")) for run in instance.get_runs(limit=LAST_RUNS)]
    named = {"__ephemeral_asset_job__": "tidemill run"}
    return [
        {"run": r.run_id, "job": named.get(r.job_name, r.job_name), "snapshot": date, "status": r.status.value}
        for r, date in runs
    ]


def _sizes(lake: Lake) -> dict[str, int]:
    """Bytes of the committed artifacts of each stage."""
    sizes: dict[str, int] = {}
    for artifact in lake.artifacts():
        sizes[artifact.stage] = sizes.get(artifact.stage, 0) + lake.size_bytes(artifact)
    return sizes


def _tell(answer: dict[str, Any]) -> None:
    print(f"home        {answer['home']} (profile {answer['profile']})")
    for alias in ("champion", "challenger"):
        entry = answer[alias]
        told = f"{entry['name']} version {entry['version']}, {entry['snapshot']}" if entry else "none"
        print(f"{alias:<11} {told}")
    drift = answer["drift"]
    alarm = "alarm" if drift and drift.get("alarm") else "no alarm"
    print(f"drift       window {drift['window']}: {alarm}" if drift else "drift       no window yet")
    print(f"lake        {sum(answer['sizes'].values()) / 2**20:,.1f} MiB in {len(answer['sizes'])} stages")
    for run in answer["runs"]:
        print(f"run         {run['run'][:8]} {run['job']} {run['snapshot']} {run['status']}")
