"""Charts as inline SVG that needs no script: lengths are percentages, so text never shrinks with the page.

Colours come from the page's style by class ("accent", "dropped", "muted", …), so that they follow
light and dark. Every label is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

MOST_POINTS = 240
FEW_POINTS = 8


@dataclass(frozen=True)
class Mark:
    """A value on a track, with the interval around it where there is one; `tone` is its colour's class."""

    value: float
    low: float | None = None
    high: float | None = None
    tone: str = "accent"
    name: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a chart: label, marks, and what is written at its end; `note` is a smaller second label."""

    label: str
    marks: Sequence[Mark]
    value: str = ""
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar."""

    name: str
    amount: float
    tone: str


@dataclass(frozen=True)
class Stack:
    """A bar of parts laid end to end."""

    label: str
    parts: Sequence[Part]
    value: str = ""


def bars(rows: Sequence[Row], *, unit: str, line: tuple[float, str] | None = None) -> Markup:
    """Bars from zero with error bars; `line` draws a value to compare with, such as chance, across all rows."""
    ends = [end for row in rows for mark in row.marks for end in (mark.value, mark.high or 0.0)]
    scale = _Scale(0.0, max([*ends, line[0] if line else 0.0, 1e-9]) * 1.04)
    drawn = [_row(row, Markup("").join(_bar(mark, scale) for mark in row.marks), 22, scale, line) for row in rows]
    return _chart(drawn, scale, unit, line)


def intervals(rows: Sequence[Row], *, unit: str, line: tuple[float, str] | None = None, signed: bool = False) -> Markup:
    """Points with their intervals, several to a row one below the other, on one axis for all rows."""
    ends = [end for row in rows for m in row.marks for end in (m.value, m.low, m.high) if end is not None] + (
        [line[0]] if line else []
    )
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low or 1.0)
    scale = _Scale(low - room, high + room)
    drawn = []
    for row in rows:
        height = max(22, 15 * len(row.marks) + 6)
        marks = Markup("").join(
            _interval(mark, scale, height / 2 + 15 * (place - (len(row.marks) - 1) / 2))
            for place, mark in enumerate(row.marks)
        )
        drawn.append(_row(row, marks, height, scale, line))
    return _chart(drawn, scale, unit, line, signed)


def stacks(rows: Sequence[Stack]) -> Markup:
    """Bars of parts on one scale; hovering a part names it."""
    most = max((sum(part.amount for part in row.parts) for row in rows), default=0.0) or 1.0
    drawn = []
    for row in rows:
        start = 0.0
        pieces = []
        for part in (part for part in row.parts if part.amount > 0):
            pieces.append(
                Markup(
                    '<rect x="{:.3f}%" width="{:.3f}%" y="3" height="16" class="piece {}"><title>{}</title></rect>'
                ).format(100 * start / most, 100 * part.amount / most, part.tone, part.name)
            )
            start += part.amount
        drawn.append(_row(Row(row.label, (), row.value), Markup("").join(pieces), 22, None, None))
    return Markup('<div class="chart">{}</div>').format(Markup("").join(drawn))


def curves(series: Mapping[str, Sequence[tuple[int, float]]], *, x: str, y: str) -> Markup:
    """Lines over steps, at most a few hundred points of each; the points of a curve that has few are drawn too."""
    thinned = {name: _thinned(points) for name, points in series.items()}
    shown = {name: points for name, points in thinned.items() if points}
    if not shown:
        return Markup("")
    steps = [step for points in shown.values() for step, _ in points]
    values = [value for points in shown.values() for _, value in points]
    across, up = _Scale(min(steps), max(steps)), _Scale.around(values)
    tones = ("accent", "second", "third")
    paths = Markup("").join(
        _curve([(across.share(step), 100 - up.share(value)) for step, value in points], tone)
        for points, tone in zip(shown.values(), tones, strict=False)
    )
    grid = Markup("").join(
        Markup('<line x1="0" x2="100" y1="{0:.2f}" y2="{0:.2f}" class="grid"/>').format(100 - up.share(tick))
        for tick in up.ticks(4)
    )
    y_axis = Markup("").join(
        Markup('<span style="top:{:.2f}%">{}</span>').format(100 - up.share(tick), _number(tick))
        for tick in up.ticks(4)
    )
    legend = Markup("").join(
        Markup('<span class="key {}">{}</span>').format(tone, name) for name, tone in zip(shown, tones, strict=False)
    )
    return Markup(
        '<div class="legend">{legend}</div><div class="plot"><div class="y-axis">{y_axis}</div>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{y} by {x}">{grid}{paths}</svg>'
        '<div class="x-axis"><span>{first:,}</span><span>{x}</span><span>{last:,}</span></div></div>'
    ).format(
        legend=legend, y_axis=y_axis, grid=grid, paths=paths, x=x, y=y, first=int(across.low), last=int(max(steps))
    )


def histogram(
    edges: Sequence[float], first: Sequence[float], second: Sequence[float], names: tuple[str, str]
) -> Markup:
    """Two distributions over the same bins, the first filled, the second as an outline."""
    top = max([*first, *second, 1e-9])
    width = 100 / max(1, len(first))
    filled = Markup("").join(
        Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" class="piece accent"/>').format(
            place * width, 100 - 100 * share / top, width * 0.92, 100 * share / top
        )
        for place, share in enumerate(first)
    )
    corners = " ".join(
        f"{(place + side) * width:.2f},{100 - 100 * share / top:.2f}"
        for place, share in enumerate(second)
        for side in (0, 1)
    )
    return Markup(
        '<div class="legend"><span class="key accent">{}</span><span class="key second">{}</span></div>'
        '<div class="plot bare"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"'
        ' aria-label="two histograms">{}<polyline points="{}" class="line second"/></svg>'
        '<div class="x-axis"><span>{}</span><span>{}</span></div></div>'
    ).format(names[0], names[1], filled, corners, _number(edges[0]), _number(edges[-1]))


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> _Scale:
        room = 0.05 * ((max(values) - min(values)) or 1.0)
        return cls(min(values) - room, max(values) + room)

    def share(self, value: float) -> float:
        """Where a value lies, in percent of the way."""
        return 100 * (value - self.low) / ((self.high - self.low) or 1.0)

    def ticks(self, count: int) -> list[float]:
        """Round numbers inside, about `count` of them, a step of 1, 2 or 5 apart."""
        raw = ((self.high - self.low) or 1.0) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _chart(
    rows: Sequence[Markup], scale: _Scale, unit: str, line: tuple[float, str] | None, signed: bool = False
) -> Markup:
    ticks = Markup("").join(
        Markup('<span style="left:{:.2f}%">{}</span>').format(scale.share(tick), _number(tick, signed))
        for tick in scale.ticks(4)
    )
    axis = Markup('<div class="row axis"><span></span><div class="ticks">{}</div><span></span></div>').format(ticks)
    told = Markup('<span class="key line-key">{}</span>').format(line[1]) if line else Markup("")
    return Markup('<div class="chart">{}{}<div class="unit"><span>{}</span>{}</div></div>').format(
        Markup("").join(rows), axis, unit, told
    )


def _row(row: Row, marks: Markup, height: float, scale: _Scale | None, line: tuple[float, str] | None) -> Markup:
    rule = Markup("")
    if scale is not None and line is not None:
        rule = Markup('<line x1="{0:.3f}%" x2="{0:.3f}%" y1="0" y2="100%" class="rule"/>').format(scale.share(line[0]))
    note = Markup("<small>{}</small>").format(row.note) if row.note else Markup("")
    return Markup(
        '<div class="row"><span class="label">{}{}</span>'
        '<svg class="track" width="100%" height="{:.0f}" aria-hidden="true">{}{}</svg>'
        '<span class="value">{}</span></div>'
    ).format(row.label, note, height, rule, marks, row.value)


def _bar(mark: Mark, scale: _Scale) -> Markup:
    body = Markup('<rect x="0" y="3" width="{:.3f}%" height="16" class="piece {}"/>').format(
        scale.share(mark.value), mark.tone
    )
    return body + _whisker(mark, scale, 11)


def _interval(mark: Mark, scale: _Scale, y: float) -> Markup:
    dot = Markup('<circle cx="{:.3f}%" cy="{:.1f}" r="4.5" class="dot {}"><title>{} {}</title></circle>').format(
        scale.share(mark.value), y, mark.tone, mark.name, _number(mark.value)
    )
    return _whisker(mark, scale, y, mark.tone) + dot


def _whisker(mark: Mark, scale: _Scale, y: float, tone: str = "") -> Markup:
    if mark.low is None or mark.high is None:
        return Markup("")
    start, stop = (min(100.0, max(0.0, scale.share(end))) for end in (mark.low, mark.high))
    lines = [(start, stop, y, y), (start, start, y - 4, y + 4), (stop, stop, y - 4, y + 4)]
    return Markup("").join(
        Markup('<line x1="{:.3f}%" x2="{:.3f}%" y1="{:.1f}" y2="{:.1f}" class="whisker {}"/>').format(*ends, tone)
        for ends in lines
    )


def _curve(corners: Sequence[tuple[float, float]], tone: str) -> Markup:
    line = Markup('<polyline points="{}" class="line {}"/>').format(
        " ".join(f"{x:.2f},{y:.2f}" for x, y in corners), tone
    )
    # The plot is stretched, so a circle would be an ellipse: a point is a line of no length with round ends.
    return line + Markup("").join(
        Markup('<path d="M{0:.2f} {1:.2f}h0" class="line point {2}"/>').format(x, y, tone)
        for x, y in (corners if len(corners) <= FEW_POINTS else ())
    )


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Every n-th point and the last, of those that are numbers."""
    finite = [point for point in points if math.isfinite(point[1])]
    step = max(1, -(-len(finite) // MOST_POINTS))
    return [*finite[:-1:step], *finite[-1:]]


def _number(value: float, signed: bool = False) -> str:
    rounded = 0.0 if abs(value) < 1e-12 else value
    return f"{rounded:+.4g}" if signed and rounded else f"{rounded:.4g}"
