"""Cleaning as a stage of the lineage."""

from assets.accounting import accounting_closes, funnel_exhibits
from assets.clean.config import CleanConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

VERSION = 2


def cleaned(config: CleanConfig) -> Stage:
    """Documents with broken Unicode repaired, boilerplate lines removed and personal data masked."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.clean.clean import clean

        earlier = inputs.all("cleaned")
        return clean(build, config, inputs.one("deduped").path, earlier[-1].path if earlier else None)

    return Stage(
        name="cleaned",
        group="corpus",
        description="Unicode repaired, lines that repeat over a host removed, personal data masked.",
        version=VERSION,
        config=config,
        inputs={"deduped": Take.SAME, "cleaned": Take.EARLIER},
        run=run,
        engines=("ftfy", "tldextract", "xxhash"),
        kinds=("parquet",),
        is_documents=True,
        exhibit=funnel_exhibits,
        checks=accounting_closes("deduped"),
    )
