"""Small plots as PNG bytes, in one look: for Dagster, MLflow and the report alike."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRID = "#1f3a4d", "#d8e0e5"
COLOURS = ("#0b7a99", "#d1603d", "#5b8c3a", "#8a5a9e", "#b08a2e", "#4a5a68")
DOTS_PER_INCH = 110


def curve_plot(series: Mapping[str, Sequence[tuple[int, float]]], *, x: str, y: str) -> bytes:
    """Curves over steps, one colour each; a curve of few points gets markers."""
    figure, axes = _figure(5.4, 2.8)
    for (name, points), colour in zip(series.items(), COLOURS * len(series), strict=False):
        steps, values = [step for step, _ in points], [value for _, value in points]
        marker = "o" if len(points) < 20 else None
        axes.plot(steps, values, color=colour, label=name.replace("_", " "), marker=marker, lw=1.6)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return _png(figure, axes, x, y)


def bar_plot(values: Mapping[str, float], *, x: str, errors: Mapping[str, float] | None = None) -> bytes:
    """Horizontal bars, first on top, each with its value; `errors` are half-widths of intervals."""
    figure, axes = _figure(5.4, 0.9 + 0.32 * len(values))
    names, lengths = list(values)[::-1], list(values.values())[::-1]
    spread = [errors.get(name, 0.0) for name in names] if errors else None
    axes.barh(names, lengths, color=COLOURS[0], height=0.62, xerr=spread, ecolor=INK, capsize=2)
    look = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 8, "color": INK}
    for row, length in enumerate(lengths):
        axes.annotate(f"{length:,.4g}", (length, row), **look)
    axes.margins(x=0.16)
    return _png(figure, axes, x, "")


def _figure(width: float, height: float):  # type: ignore[no-untyped-def]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
    return figure, axes


def _png(figure: Figure, axes, x: str, y: str) -> bytes:  # type: ignore[no-untyped-def]
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
