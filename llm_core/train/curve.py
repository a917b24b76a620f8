"""The loss curve: one line a step, no clock, so that the same run gives the same bytes."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

HEADER = "step,loss,learning_rate,gradient_norm,validation_loss"


@dataclass(frozen=True)
class Point:
    """A step that was taken."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    validation_loss: float | None = None


def write_curve(points: Iterable[Point]) -> str:
    """The points as CSV; numbers survive the way exactly."""
    lines = (",".join("" if value is None else repr(value) for value in astuple(point)) for point in points)
    return "\n".join([HEADER, *lines]) + "\n"


def read_curve(text: str) -> list[Point]:
    """The points that ``write_curve`` wrote."""
    rows = (line.split(",") for line in text.splitlines()[1:])
    return [Point(int(step), *map(float, filter(None, values))) for step, *values in rows]
