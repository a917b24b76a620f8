"""Evaluation and promotion as stages of the lineage."""

import json
from collections.abc import Mapping

from assets.champion import champion_before_verdict
from assets.evaluate.config import EvaluateConfig, GateConfig
from assets.exhibits import SAMPLE_CHARACTERS, Exhibits
from assets.stage import Inputs, Stage, Take
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.journal import Journal
from resources.lake import Lake

REPORT_VERSION = 2
PROMOTION_VERSION = 1
CANDIDATES = ("pretrained_checkpoint", "finetuned", "lora_finetuned", "quantized")
NORMAL_95 = 1.96
SHOWN = ("model", "prompt", "greedy", "sampled", "truth")


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
        exhibit=_report_exhibits,
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
        exhibit=_verdict_exhibits,
        settle=settle,
    )


def _report_exhibits(artifact: Artifact) -> Exhibits:
    """Bars of every model beside the baselines, the candidate's by domain, and what the models wrote."""
    from assets.evaluate.report import SAMPLES, Figure, Report
    from assets.plots import bar_plot

    def bars(figures: Mapping[str, Figure]) -> bytes:
        named = {name.replace("_", " "): figure for name, figure in figures.items()}
        return bar_plot(
            {name: figure.bits_per_byte for name, figure in named.items()},
            x="bits per byte (less is better)",
            errors={name: NORMAL_95 * (figure.standard_error or 0.0) for name, figure in named.items()},
        )

    report = Report.read(artifact.path)
    with (artifact.path / SAMPLES).open(encoding="utf-8") as lines:
        samples = [json.loads(line) for line in lines]
    return Exhibits(
        plots={
            "bits per byte by model": bars({name: result.overall for name, result in report.models.items()}),
            "bits per byte by domain": bars(report.models[report.candidate_name].domains),
        },
        samples=[{name: " ".join(row[name].split())[:SAMPLE_CHARACTERS] for name in SHOWN} for row in samples],
        metrics={
            f"completion_accuracy_{name}": result.completion.accuracy
            for name, result in report.models.items()
            if result.completion
        },
    )


def _verdict_exhibits(artifact: Artifact) -> Exhibits:
    """The candidate's gain with its interval: overall, against the n-gram model, and by domain."""
    from assets.evaluate.gate import Verdict
    from assets.plots import bar_plot

    verdict = Verdict.read(artifact.path)
    shown = {
        f"overall, over the {verdict.comparison.against}": verdict.comparison,
        f"overall, over {verdict.kneser_ney.against.replace('_', ' ')}": verdict.kneser_ney,
        **{finding.domain: finding.comparison for finding in verdict.domains},
    }
    gains = bar_plot(
        {name: gain.better_by for name, gain in shown.items()},
        x=f"bits per byte gained, {verdict.confidence:.0%} interval",
        errors={name: 0.0 if gain.high is None else gain.high - gain.better_by for name, gain in shown.items()},
    )
    return Exhibits(
        plots={"gain": gains},
        samples=[{"decision": verdict.decision, "reason": verdict.reason}],
        metrics={"better_by": verdict.comparison.better_by},
    )
