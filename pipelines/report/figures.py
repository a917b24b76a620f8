"""The report's figures: each part of the story as a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipelines.report import charts, words
from pipelines.report.charts import Mark, Part, Row, Stack
from pipelines.report.story import Cost, Evaluation, Judgement, Sample, StageCount, Training

if TYPE_CHECKING:
    from assets.evaluate.gate import Comparison
    from assets.evaluate.report import Figure, ModelResult
    from assets.monitor.changes import Share

NORMAL_95 = 1.96
DOMAINS_SHOWN = 12
SHARES_SHOWN = 8
TONES = ("accent", "second", "third", "muted")


def funnel_chart(counts: list[StageCount]) -> Markup:
    """What entered each stage: kept, then dropped by reason."""
    return charts.stacks(
        [
            Stack(
                words.stage(count.stage),
                [
                    Part(f"kept: {count.kept:,}", count.kept, "accent"),
                    *(Part(f"{words.reason(name)}: {n:,}", n, "dropped") for name, n in by_size(count.dropped)),
                ],
                f"{count.kept:,} of {count.entered:,}",
            )
            for count in counts
        ]
    )


def by_size(dropped: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons and counts, the largest first."""
    return sorted(dropped.items(), key=lambda item: (-item[1], item[0]))


def loss_chart(training: Training) -> Markup:
    """Training loss by step, and validation loss where it was measured."""
    series = {
        "training loss": training.curves.get("loss", ()),
        "validation loss": training.curves.get("validation_loss", ()),
    }
    return charts.curves(series, x="step", y="nats per token")


def models_chart(evaluation: Evaluation) -> Markup:
    """Every model's bits per byte over all held-out documents."""
    report = evaluation.report
    rows = []
    for name, result in sorted(report.models.items(), key=lambda item: item[1].overall.bits_per_byte):
        figure, tone = result.overall, _tone(evaluation, name)
        error = "" if figure.standard_error is None else f" ± {NORMAL_95 * figure.standard_error:.2f}"
        rows.append(
            Row(
                words.model(name),
                [_mark(figure, tone, name)],
                f"{figure.bits_per_byte:.2f}{error}",
                _role(evaluation, name),
            )
        )
    return charts.bars(rows, unit="bits per byte, less is better")


def domains_chart(evaluation: Evaluation, rest: bool = False) -> Markup:
    """Candidate, champion and baselines on each domain, the largest domains first; `rest` gives the others."""
    models = evaluation.report.models
    domains = models[evaluation.report.candidate_name].domains
    order = sorted(domains, key=lambda name: (-domains[name].documents, name))
    rows = [
        Row(
            domain,
            [_mark(models[name].domains[domain], tone, name) for name, tone in compared(evaluation)],
            f"{domains[domain].bits_per_byte:.2f}",
            words.count(domains[domain].documents, "document"),
        )
        for domain in (order[DOMAINS_SHOWN:] if rest else order[:DOMAINS_SHOWN])
    ]
    return charts.intervals(rows, unit="bits per byte, less is better") if rows else Markup("")


def compared(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The models that the domains are shown for, each with its colour."""
    report = evaluation.report
    named = (report.candidate_name, "champion", report.kneser_ney, "unigram")
    return [(name, tone) for name, tone in zip(named, TONES, strict=True) if name in report.models]


def completions_chart(evaluation: Evaluation) -> Markup:
    """The share of signatures that each model completed rightly, with Wilson's interval, beside chance."""
    rows = [
        Row(
            words.model(name),
            [Mark(done.accuracy, done.low, done.high, _tone(evaluation, name), name)],
            f"{done.accuracy:.0%}",
            f"{done.correct} of {done.items}",
        )
        for name, done in ((name, result.completion) for name, result in _ranked(evaluation.report.models))
        if done is not None
    ]
    chance = evaluation.report.chance
    return (
        charts.bars(rows, unit="share answered rightly", line=(chance, f"chance, {chance:.0%}")) if rows else Markup("")
    )


def _ranked(models: Mapping[str, ModelResult]) -> list[tuple[str, ModelResult]]:
    return sorted(models.items(), key=lambda item: -(item[1].completion.accuracy if item[1].completion else 0.0))


def _mark(figure: Figure, tone: str, name: str) -> Mark:
    if figure.standard_error is None:
        return Mark(figure.bits_per_byte, tone=tone, name=words.model(name))
    room = NORMAL_95 * figure.standard_error
    return Mark(figure.bits_per_byte, figure.bits_per_byte - room, figure.bits_per_byte + room, tone, words.model(name))


def _tone(evaluation: Evaluation, name: str) -> str:
    baselines = ("unigram", evaluation.report.kneser_ney)
    return "accent" if name == evaluation.report.candidate_name else "muted" if name in baselines else "second"


def _role(evaluation: Evaluation, name: str) -> str:
    if name == evaluation.report.candidate_name:
        return "the candidate"
    return "baseline" if name in ("unigram", evaluation.report.kneser_ney) else ""


def samples_by_model(evaluation: Evaluation) -> dict[str, list[Sample]]:
    """What the models wrote, the candidate's first."""
    groups: dict[str, list[Sample]] = {evaluation.report.candidate_name: []}
    for sample in evaluation.samples:
        groups.setdefault(sample.model, []).append(sample)
    return {name: samples for name, samples in groups.items() if samples}


def gains_chart(judgement: Judgement) -> Markup:
    """The candidate's gains with their intervals: overall, over the n-gram model, and by domain."""
    verdict = judgement.verdict

    def row(label: str, gain: Comparison, tone: str, note: str) -> Row:
        return Row(label, [Mark(gain.better_by, gain.low, gain.high, tone, label)], f"{gain.better_by:+.3f}", note)

    def told(gain: Comparison) -> str:
        return words.count(gain.units, gain.unit)

    tones = {"within": "good", "worse": "dropped", "unclear": "second"}
    rows = [
        row(
            f"Over the {words.model(verdict.comparison.against).lower()}",
            verdict.comparison,
            "accent",
            told(verdict.comparison),
        ),
        row(
            f"Over the {words.model(verdict.kneser_ney.against)}", verdict.kneser_ney, "muted", told(verdict.kneser_ney)
        ),
        *(
            row(d.domain, d.comparison, tones[d.finding], f"{told(d.comparison)}, {words.FINDINGS[d.finding]}")
            for d in verdict.domains
        ),
    ]
    return charts.intervals(
        rows, unit=f"bits per byte gained, {verdict.confidence:.0%} interval", line=(0.0, "no difference"), signed=True
    )


def shares_chart(shares: tuple[Share, ...]) -> Markup:
    """Words or hosts whose share of the requests moved: the window's beside the reference's."""
    rows = [
        Row(
            share.name,
            [
                Mark(share.window, tone="accent", name="this window"),
                Mark(share.reference, tone="second", name="reference"),
            ],
            f"{share.window:.0%} · {share.reference:.0%}",
        )
        for share in shares[:SHARES_SHOWN]
    ]
    return charts.intervals(rows, unit="share of the requests") if rows else Markup("")


def seconds_chart(costs: tuple[Cost, ...]) -> Markup:
    """The time that each stage took, by snapshot."""
    told = [cost for cost in costs if cost.seconds is not None]
    return _cost_chart([(cost, cost.seconds or 0.0) for cost in told], words.duration)


def sizes_chart(costs: tuple[Cost, ...]) -> Markup:
    """The bytes that each stage keeps, by snapshot."""
    return _cost_chart([(cost, float(cost.size_bytes)) for cost in costs], lambda size: words.size(int(size)))


def _cost_chart(amounts: list[tuple[Cost, float]], say: Callable[[float], str]) -> Markup:
    stages: dict[str, list[tuple[Cost, float]]] = {}
    for cost, amount in amounts:
        stages.setdefault(cost.stage, []).append((cost, amount))
    dates = sorted({cost.snapshot for cost, _ in amounts})
    return charts.stacks(
        [
            Stack(
                words.stage(stage),
                [
                    Part(f"{cost.snapshot}: {say(amount)}", amount, TONES[dates.index(cost.snapshot) % 2])
                    for cost, amount in sorted(of_stage, key=lambda item: item[0].snapshot)
                ],
                say(sum(amount for _, amount in of_stage)),
            )
            for stage, of_stage in stages.items()
        ]
    )
