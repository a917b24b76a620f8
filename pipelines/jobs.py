"""The jobs: parts of the lineage that are run together, one snapshot a run."""

from __future__ import annotations

import dagster as dg

from assets.stage import Lineage

PARTS = {
    "corpus": ("crawl", "corpus", "tokens"),
    "train": ("model", "variants"),
    "evaluate": ("judgement", "monitoring"),
    "retrain": ("crawl", "corpus", "tokens", "model", "variants", "judgement", "monitoring"),
    "all": ("crawl", "corpus", "tokens", "model", "variants", "judgement", "monitoring"),
}
DESCRIPTIONS = {
    "corpus": "From the crawl to token shards.",
    "train": "The pretrained checkpoint and its variants.",
    "evaluate": "Judge the snapshot's candidate, and promote it or not.",
    "retrain": "The whole lineage at the next snapshot: what drift, or the calendar, asks for.",
    "all": "The whole lineage at a snapshot.",
}


def lineage_jobs(
    lineage: Lineage, prefix: str, snapshots: dg.PartitionsDefinition
) -> list[dg.UnresolvedAssetJobDefinition]:
    """One job a part; a backfill over snapshots makes one run each, oldest first."""
    return [
        dg.define_asset_job(
            name=name,
            selection=dg.AssetSelection.assets(
                *[dg.AssetKey([prefix, s.name]) for s in lineage.stages if s.group in groups]
            ),
            partitions_def=snapshots,
            description=DESCRIPTIONS[name],
            tags={"tidemill/profile": prefix},
        )
        for name, groups in PARTS.items()
    ]


def monitor_job(monitoring: Lineage, prefix: str, windows: dg.PartitionsDefinition) -> dg.UnresolvedAssetJobDefinition:
    """The judgement of one closed window of the request log."""
    return dg.define_asset_job(
        name="monitor",
        selection=dg.AssetSelection.assets(*[dg.AssetKey([prefix, stage.name]) for stage in monitoring.stages]),
        partitions_def=windows,
        description="Take up a closed window of the request log, and compare it with the reference.",
        tags={"tidemill/profile": prefix},
    )
