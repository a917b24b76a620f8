"""The jobs: parts of the lineage that are run together, one snapshot a run."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from assets.stage import Lineage, Stage

GROUPS = {
    "corpus": ("crawl", "corpus", "tokens"),
    "train": ("model", "variants"),
    "evaluate": ("judgement", "monitoring"),
}
DESCRIPTIONS = {
    "corpus": "From the crawl to token shards.",
    "train": "The pretrained checkpoint and its variants.",
    "evaluate": "Judge the snapshot's candidate, promote it or not, and make the reference of its requests.",
    "retrain": "The whole lineage at the next snapshot: what drift, or the calendar, asks for.",
    "all": "The whole lineage at a snapshot.",
}


def lineage_jobs(lineage: Lineage, snapshots: dg.PartitionsDefinition) -> dict[str, dg.UnresolvedAssetJobDefinition]:
    """One job a part, by name; a backfill over snapshots makes one run each, oldest first."""
    parts = {
        name: [stage for stage in lineage.stages if stage.group in GROUPS.get(name, (stage.group,))]
        for name in DESCRIPTIONS
    }
    return {name: _job(name, lineage, parts[name], snapshots, DESCRIPTIONS[name]) for name in parts}


def monitor_job(monitoring: Lineage, windows: dg.PartitionsDefinition) -> dg.UnresolvedAssetJobDefinition:
    """The judgement of one closed window of the request log."""
    description = "Take up a closed window of the request log, and compare it with the reference."
    return _job("monitor", monitoring, monitoring.stages, windows, description)


def _job(
    name: str, lineage: Lineage, stages: Sequence[Stage], partitions: dg.PartitionsDefinition, description: str
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name=name,
        selection=dg.AssetSelection.assets(*[dg.AssetKey([lineage.profile, stage.name]) for stage in stages]),
        partitions_def=partitions,
        description=description,
        tags={"tidemill/profile": lineage.profile},
    )
