"""What people see of an evaluation and of a verdict."""

import json
from collections.abc import Mapping

from assets.exhibits import SAMPLE_CHARACTERS, Exhibits
from resources.artifact import Artifact

NORMAL_95 = 1.96
SHOWN = ("model", "prompt", "greedy", "sampled", "truth")


def report_exhibits(artifact: Artifact) -> Exhibits:
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


def verdict_exhibits(artifact: Artifact) -> Exhibits:
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
