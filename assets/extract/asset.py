"""Extraction as a stage of the lineage."""

from assets.accounting import accounting_closes, funnel_exhibits
from assets.extract.config import ExtractConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

VERSION = 2


def extracted(config: ExtractConfig) -> Stage:
    """Documents: the main text of each page, its title, language and licence."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.extract.extract import extract

        return extract(build, config, inputs.one("raw_crawl").path)

    return Stage(
        name="extracted",
        group="corpus",
        description="The main text of each page, with its title, language and licence.",
        version=VERSION,
        config=config,
        inputs={"raw_crawl": Take.SAME},
        run=run,
        engines=("resiliparse", "py3langid", "ftfy", "w3lib"),
        kinds=("parquet",),
        is_documents=True,
        exhibit=funnel_exhibits,
        checks=accounting_closes("raw_crawl"),
    )
