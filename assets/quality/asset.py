"""Quality as stages of the lineage: the classifier, and the documents that are good enough."""

from assets.accounting import accounting_closes, funnel_exhibits
from assets.quality.config import QualityConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

MODEL_VERSION = 2
FILTER_VERSION = 2


def quality_model(config: QualityConfig) -> Stage:
    """A fastText classifier of document quality, trained on the first snapshot."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.quality.training import train_classifier

        return train_classifier(build, config, inputs.one("cleaned").path)

    return Stage(
        name="quality_model",
        group="corpus",
        description="A fastText classifier of document quality, trained on the first snapshot's documents.",
        version=MODEL_VERSION,
        config=config,
        inputs={"cleaned": Take.SAME},
        run=run,
        engines=("fasttext-numpy2-wheel", "datatrove"),
        kinds=("fasttext",),
        made_once=True,
    )


def quality_filtered(config: QualityConfig) -> Stage:
    """Documents that pass the rules, the classifier and decontamination, split into training and held-out hosts."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.quality.filtering import filter_quality

        return filter_quality(
            build,
            config,
            inputs.one("cleaned").path,
            inputs.one("quality_model").path,
            [artifact.path for artifact in inputs.all("quality_filtered")],
        )

    return Stage(
        name="quality_filtered",
        group="corpus",
        description="Documents that pass the rules, the classifier and decontamination; whole hosts are held out.",
        version=FILTER_VERSION,
        config=config,
        inputs={"cleaned": Take.SAME, "quality_model": Take.SAME, "quality_filtered": Take.EARLIER},
        run=run,
        engines=("fasttext-numpy2-wheel", "datatrove"),
        kinds=("parquet", "datatrove"),
        is_documents=True,
        exhibit=funnel_exhibits,
        checks=accounting_closes("cleaned"),
    )
