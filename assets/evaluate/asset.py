"""Evaluation and promotion as stages of the lineage."""

from assets.champion import champion_before_verdict
from assets.evaluate.config import EvaluateConfig, GateConfig
from assets.evaluate.exhibits import report_exhibits, verdict_exhibits
from assets.stage import Inputs, Stage, Take
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.journal import Journal
from resources.lake import Lake

REPORT_VERSION = 1
PROMOTION_VERSION = 1
CANDIDATES = ("pretrained_checkpoint", "finetuned", "lora_finetuned", "quantized")


def eval_report(config: EvaluateConfig) -> Stage:
    """Every checkpoint of the snapshot, the champion and two baselines on the same held-out documents."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.evaluate.evaluate import evaluate

        return evaluate(
            build,
            config,
            candidates={name: inputs.one(name) for name in CANDIDATES},
            champion=inputs.champion(),
            shards=[artifact.path for artifact in inputs.all("token_shards")],
            corpora=[artifact.path for artifact in inputs.all("quality_filtered")],
            tokenizer=inputs.one("tokenizer").path,
        )

    return Stage(
        name="eval_report",
        group="judgement",
        description="Every checkpoint, the champion and n-gram baselines on the same held-out documents, by domain.",
        version=REPORT_VERSION,
        config=config,
        inputs={
            **dict.fromkeys(CANDIDATES, Take.SAME),
            "token_shards": Take.UP_TO,
            "quality_filtered": Take.UP_TO,
            "tokenizer": Take.SAME,
        },
        look_up=champion_before_verdict(config.candidate),
        run=run,
        engines=("tokenizers", "scipy"),
        kinds=("pytorch", "parquet"),
        exhibit=report_exhibits,
    )


def promotion(config: GateConfig) -> Stage:
    """The gate: is the candidate better than the champion, and nowhere worse than is tolerated?"""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.evaluate.gate import decide

        return decide(build, config, inputs.one("eval_report").path)

    def settle(artifact: Artifact, lake: Lake, journal: Journal) -> None:
        from assets.evaluate import gate  # scipy is slow to load

        gate.settle(artifact, lake, journal)

    return Stage(
        name="promotion",
        group="judgement",
        description="The gate: whether the candidate is better than the champion, and nowhere worse than is tolerated.",
        version=PROMOTION_VERSION,
        config=config,
        inputs={"eval_report": Take.SAME},
        run=run,
        engines=("scipy",),
        kinds=("json",),
        exhibit=verdict_exhibits,
        settle=settle,
    )
