"""The crawl as a stage of the lineage: what a snapshot saw, observed once."""

from collections.abc import Mapping
from typing import Any

from assets.accounting import accounting_closes, funnel_exhibits
from assets.config import Config
from assets.crawl.config import CrawlConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

VERSION = 1
WHAT = {"source", "limits", "content_types", "session_parameters", "opt_outs", "shards", "user_agent"}


def raw_crawl(config: CrawlConfig) -> Stage:
    """Pages as they were fetched, in WARC files, with every URL that was considered and why it is not there."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.crawl.crawl import crawl

        earlier = inputs.all("raw_crawl")
        return crawl(build, config, earlier[-1].path if earlier else None)

    return Stage(
        name="raw_crawl",
        group="crawl",
        description="Pages as they were fetched: WARC files, an index of captures, and why other URLs are not there.",
        version=VERSION,
        config=config,
        config_key=_what_is_crawled,
        inputs={"raw_crawl": Take.EARLIER},
        run=run,
        kind="observed",
        kinds=("scrapy", "warc"),
        exhibit=lambda artifact: funnel_exhibits(artifact, samples=lambda folder: []),
        checks=accounting_closes(None),
    )


def _what_is_crawled(config: Config) -> Mapping[str, Any]:
    """The source's part of the spec: neither how politely it is fetched nor other dates' editions name a crawl."""
    assert isinstance(config, CrawlConfig)
    what = config.model_dump(mode="json", include=WHAT | {"allow_addresses"}, exclude={"source": {"editions"}})
    return {**what, "opt_outs": sorted(config.opt_outs)}
