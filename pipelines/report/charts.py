"""Charts as inline SVG that needs no script: their geometry is here, `charts.html.jinja` draws it.

Lengths are percentages, so text never shrinks with the page. Colours come from the page's style by
class ("accent", "dropped", "muted", …), so that they follow light and dark. Templates escape every label.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

MOST_POINTS = 240
FEW_POINTS = 8
TONES = ("accent", "second", "third", "muted")
Line = tuple[float, str]
Points = Sequence[tuple[float, float]]


def number(value: float, signed: bool = False) -> str:
    """A number on an axis: `12,000`, `0.25`, `+0.1`."""
    sign = "+" if signed and value else ""
    return f"{value:{sign},.0f}" if value == round(value) else f"{value:{sign}.4g}"


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.filters["number"] = number


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
class _Scale:
    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> "_Scale":
        room = 0.05 * ((max(values) - min(values)) or 1.0)
        return cls(min(values) - room, max(values) + room)

    def share(self, value: float) -> float:
        """Where a value lies, in percent of the way."""
        return round(min(100.0, max(0.0, 100 * (value - self.low) / ((self.high - self.low) or 1.0))), 3)

    def from_top(self, value: float) -> float:
        return round(100 - self.share(value), 3)

    def ticks(self) -> list[float]:
        """About four round numbers inside, a step of 1, 2 or 5 apart."""
        raw = ((self.high - self.low) or 1.0) / 4
        power = math.floor(math.log10(raw))
        step = next(digit * 10.0**power for digit in (1, 2, 5, 10) if digit * 10.0**power >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(n * step, 1 - power) for n in range(first, last + 1)]


def bars(rows: Sequence[Row], *, unit: str = "", line: Line | None = None) -> Markup:
    """Bars from zero, the marks of a row end to end, with error bars; hovering a piece names it.

    `line` draws a value to compare with, such as chance, across all rows. Without a unit there is no axis.
    """
    ends = [end for row in rows for end in (sum(m.value for m in row.marks), *(m.high or 0.0 for m in row.marks))]
    scale = _Scale(0.0, max([*ends, line[0] if line else 0.0, 1e-9]))
    return _draw("bars", rows=rows, scale=scale, unit=unit, line=line)


def intervals(rows: Sequence[Row], *, unit: str, line: Line | None = None, signed: bool = False) -> Markup:
    """Points with their intervals, several to a row one below the other, on one axis for all rows."""
    ends = [end for row in rows for m in row.marks for end in (m.value, m.low, m.high) if end is not None]
    scale = _Scale.around([*ends, line[0]] if line else ends)
    return _draw("intervals", rows=rows, scale=scale, unit=unit, line=line, signed=signed)


def curves(series: Mapping[str, Points], *, x: str, y: str) -> Markup:
    """Lines, at most a few hundred points of each; the points of a line that has few are drawn too."""
    thinned = {name: _thinned(points) for name, points in series.items()}
    shown = {name: points for name, points in thinned.items() if points}
    if not shown:
        return Markup("")
    across = [place for points in shown.values() for place, _ in points]
    along = _Scale(min(across), max(across))
    up = _Scale.around([value for points in shown.values() for _, value in points])
    drawn = [
        (name, tone, [(along.share(place), up.from_top(value)) for place, value in points])
        for (name, points), tone in zip(shown.items(), TONES, strict=False)
    ]
    return _draw("curves", lines=drawn, along=along, up=up, x=x, y=y, few=FEW_POINTS)


def _draw(macro: str, **values: object) -> Markup:
    return Markup(getattr(TEMPLATES.get_template("charts.html.jinja").module, macro)(**values))


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Every n-th point and the last, of those that are numbers."""
    finite = [point for point in points if math.isfinite(point[1])]
    step = max(1, -(-len(finite) // MOST_POINTS))
    return [*finite[:-1:step], *finite[-1:]]
