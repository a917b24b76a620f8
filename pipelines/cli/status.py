"""`tidemill status`: where a home stands."""

import argparse
import json
from typing import Any

from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from pipelines.execute import open_instance
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
        "champion": _named(model, state.champion),
        "challenger": _named(model, state.challenger),
        "versions": len(state.versions),
        "drift": _drift(workplace.lake),
        "runs": _last_runs(site.home),
        "sizes": _sizes(workplace.lake),
    }
    if options.json:
        print(json.dumps(answer))
        return 0
    _tell(answer)
    return 0


def _named(model: str, entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {"name": model, "version": entry.version, "snapshot": entry.partition, "fingerprint": entry.fingerprint}


def _drift(lake: Lake) -> dict[str, Any] | None:
    """The newest drift report, as its counts tell it; None before the first closed window."""
    reports = sorted(lake.artifacts("drift_report"), key=lambda artifact: artifact.partition or "")
    return {"window": reports[-1].partition, **reports[-1].stats} if reports else None


def _last_runs(home: Any) -> list[dict[str, str]]:
    if not (home / "dagster").exists():
        return []
    with open_instance(home) as instance:
        runs = instance.get_runs(limit=LAST_RUNS)
        return [
            {
                "run": r.run_id,
                "job": r.job_name,
                "snapshot": r.tags.get("dagster/partition", ""),
                "status": r.status.value,
            }
            for r in runs
        ]


def _sizes(lake: Lake) -> dict[str, int]:
    """Bytes of the committed artifacts of each stage."""
    sizes: dict[str, int] = {}
    for artifact in lake.artifacts():
        size = sum(int(file["size"]) for file in lake.manifest(artifact)["files"])
        sizes[artifact.stage] = sizes.get(artifact.stage, 0) + size
    return sizes


def _tell(answer: dict[str, Any]) -> None:
    print(f"home        {answer['home']} (profile {answer['profile']})")
    for alias in ("champion", "challenger"):
        entry = answer[alias]
        print(
            f"{alias:<11} {entry['name']} version {entry['version']}, {entry['snapshot']}"
            if entry
            else f"{alias:<11} none"
        )
    drift = answer["drift"]
    print(
        f"drift       window {drift['window']}: {'alarm' if drift.get('alarm') else 'no alarm'}"
        if drift
        else "drift       no window yet"
    )
    print(f"lake        {sum(answer['sizes'].values()) / 2**20:,.1f} MiB in {len(answer['sizes'])} stages")
    for run in answer["runs"]:
        print(f"run         {run['run'][:8]} {run['job']} {run['snapshot']} {run['status']}")
