"""The report's figures: each part of the story as a chart."""

from collections.abc import Callable, Mapping

from markupsafe import Markup

from assets.evaluate.gate import Comparison, Verdict
from assets.evaluate.report import CHAMPION, UNIGRAM, Figure, Report
from assets.monitor.changes import Share
from pipelines.report import charts, words
from pipelines.report.charts import TONES, Mark, Points, Row
from pipelines.report.story import Cost
from resources.artifact import Artifact

NORMAL_95 = 1.96
DOMAINS_SHOWN = 12
SHARES_SHOWN = 8
LESS_IS_BETTER = "bits per byte, less is better"


def funnel(stages: list[Artifact]) -> Markup:
    """What entered each stage: kept, then dropped by reason."""
    rows = []
    for stage in stages:
        kept = int(stage.stats["kept"])
        dropped = [
            Mark(count, tone="dropped", name=f"{words.reason(name)}: {count:,}")
            for name, count in by_size(stage.stats["dropped"])
        ]
        marks = [Mark(kept, name=f"kept: {kept:,}"), *dropped]
        rows.append(Row(words.stage(stage.stage), marks, f"{kept:,} of {stage.stats['entered']:,}"))
    return charts.bars(rows)


def by_size(dropped: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons and counts, the largest first."""
    return sorted(dropped.items(), key=lambda item: (-item[1], item[0]))


def losses(curves: Mapping[str, Points]) -> Markup:
    """Training loss by step, and validation loss where it was measured."""
    series = {"training loss": curves.get("loss", ()), "validation loss": curves.get("validation_loss", ())}
    return charts.curves(series, x="step", y="nats per token")


def models(report: Report) -> Markup:
    """Every model's bits per byte over all held-out documents."""
    rows = []
    for name, result in sorted(report.models.items(), key=lambda item: item[1].overall.bits_per_byte):
        figure, tone = result.overall, _tone(report, name)
        error = "" if figure.standard_error is None else f" ± {NORMAL_95 * figure.standard_error:.2f}"
        note = {"accent": "the candidate", "muted": "baseline"}.get(tone, "")
        rows.append(Row(words.stage(name), [_mark(figure, tone, name)], f"{figure.bits_per_byte:.2f}{error}", note))
    return charts.bars(rows, unit=LESS_IS_BETTER)


def domains(report: Report, rest: bool = False) -> Markup:
    """Candidate, champion and baselines on each domain, the largest domains first; `rest` gives the others."""
    own = report.models[report.candidate_name].domains
    order = sorted(own, key=lambda name: (-own[name].documents, name))
    rows = [
        Row(
            domain,
            [_mark(report.models[name].domains[domain], tone, name) for name, tone in compared(report)],
            f"{own[domain].bits_per_byte:.2f}",
            words.count(own[domain].documents, "document"),
        )
        for domain in (order[DOMAINS_SHOWN:] if rest else order[:DOMAINS_SHOWN])
    ]
    return charts.intervals(rows, unit=LESS_IS_BETTER) if rows else Markup("")


def compared(report: Report) -> list[tuple[str, str]]:
    """The models that the domains are shown for, each with its colour."""
    named = (report.candidate_name, CHAMPION, report.kneser_ney, UNIGRAM)
    return [(name, tone) for name, tone in zip(named, TONES, strict=True) if name in report.models]


def completions(report: Report) -> Markup:
    """The share of signatures that each model completed rightly, with Wilson's interval, beside chance."""
    done = {name: result.completion for name, result in report.models.items() if result.completion}
    rows = [
        Row(
            words.stage(name),
            [Mark(score.accuracy, score.low, score.high, _tone(report, name), name)],
            f"{score.accuracy:.0%}",
            f"{score.correct} of {score.items}",
        )
        for name, score in sorted(done.items(), key=lambda item: -item[1].accuracy)
    ]
    line = (report.chance, f"chance, {report.chance:.0%}")
    return charts.bars(rows, unit="share answered rightly", line=line) if rows else Markup("")


def _mark(figure: Figure, tone: str, name: str) -> Mark:
    value = figure.bits_per_byte
    if figure.standard_error is None:
        return Mark(value, tone=tone, name=words.stage(name))
    room = NORMAL_95 * figure.standard_error
    return Mark(value, value - room, value + room, tone, words.stage(name))


def _tone(report: Report, name: str) -> str:
    if name == report.candidate_name:
        return "accent"
    return "muted" if name in (UNIGRAM, report.kneser_ney) else "second"


def gains(verdict: Verdict) -> Markup:
    """The candidate's gains with their intervals: overall, over the n-gram model, and by domain."""

    def row(label: str, gain: Comparison, tone: str, finding: str = "") -> Row:
        mark = Mark(gain.better_by, gain.low, gain.high, tone, label)
        return Row(label, [mark], f"{gain.better_by:+.3f}", words.count(gain.units, gain.unit) + finding)

    tones = {"within": "good", "worse": "dropped", "unclear": "second"}
    rows = [
        row(f"Over the {words.stage(verdict.comparison.against).lower()}", verdict.comparison, "accent"),
        row(f"Over the {words.stage(verdict.kneser_ney.against)}", verdict.kneser_ney, "muted"),
        *(
            row(found.domain, found.comparison, tones[found.finding], f", {words.FINDINGS[found.finding]}")
            for found in verdict.domains
        ),
    ]
    unit = f"bits per byte gained, {verdict.confidence:.0%} interval"
    return charts.intervals(rows, unit=unit, line=(0.0, "no difference"), signed=True)


def shares(moved: tuple[Share, ...]) -> Markup:
    """Words whose share of the requests moved: the window's beside the reference's."""
    rows = []
    for share in moved[:SHARES_SHOWN]:
        marks = [Mark(share.window, name="this window"), Mark(share.reference, tone="second", name="reference")]
        rows.append(Row(share.name, marks, f"{share.window:.0%} · {share.reference:.0%}"))
    return charts.intervals(rows, unit="share of the requests")


def seconds(costs: list[Cost]) -> Markup:
    """The time that each stage took, by snapshot."""
    return _costs([(cost, cost.seconds) for cost in costs if cost.seconds is not None], words.duration)


def sizes(costs: list[Cost]) -> Markup:
    """The bytes that each stage keeps, by snapshot."""
    return _costs([(cost, cost.size_bytes) for cost in costs], words.size)


def _costs(amounts: list[tuple[Cost, float]], say: Callable[[float], str]) -> Markup:
    dates = sorted({cost.snapshot for cost, _ in amounts})
    stages: dict[str, list[Mark]] = {}
    for cost, amount in sorted(amounts, key=lambda item: dates.index(item[0].snapshot)):
        tone = TONES[dates.index(cost.snapshot) % 2]
        stages.setdefault(cost.stage, []).append(Mark(amount, tone=tone, name=f"{cost.snapshot}: {say(amount)}"))
    return charts.bars(
        [Row(words.stage(stage), marks, say(sum(mark.value for mark in marks))) for stage, marks in stages.items()]
    )
