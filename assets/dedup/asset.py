"""Deduplication as a stage of the lineage."""

from assets.accounting import accounting_closes, funnel_exhibits
from assets.dedup.config import DedupConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

VERSION = 1


def deduped(config: DedupConfig) -> Stage:
    """Documents with exact and near duplicates removed; one stays of each cluster."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.dedup.duplicates import remove_duplicates

        earlier = [artifact.path for artifact in inputs.all("deduped")]
        return remove_duplicates(build, config, inputs.one("extracted").path, earlier)

    return Stage(
        name="deduped",
        group="corpus",
        description="Exact and near duplicates removed: one stays of each cluster, first seen wins across snapshots.",
        version=VERSION,
        config=config,
        inputs={"extracted": Take.SAME, "deduped": Take.EARLIER},
        run=run,
        engines=("numpy", "xxhash"),
        kinds=("parquet",),
        is_documents=True,
        exhibit=funnel_exhibits,
        checks=accounting_closes("extracted"),
    )
