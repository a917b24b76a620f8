"""The loss curve: one line a step, no clock, so that the same run gives the same bytes."""

from dataclasses import dataclass, replace

HEADER = "step,loss,learning_rate,gradient_norm,validation_loss"


@dataclass(frozen=True)
class Point:
    """A step that was taken."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    validation_loss: float | None = None


class Curve:
    """The points of a run so far."""

    def __init__(self, text: str = HEADER + "\n") -> None:
        """Parse what ``text`` gave; numbers survive the way exactly."""
        self.points = [self._parse(line) for line in text.splitlines()[1:]]

    def add(self, point: Point) -> None:
        """Append a step."""
        self.points.append(point)

    def validated(self, loss: float) -> None:
        """Note a validation after the newest step."""
        if self.points:
            self.points[-1] = replace(self.points[-1], validation_loss=loss)

    def text(self) -> str:
        """The curve as CSV."""
        return "\n".join([HEADER, *map(self._line, self.points)]) + "\n"

    @staticmethod
    def _line(point: Point) -> str:
        validation = "" if point.validation_loss is None else repr(point.validation_loss)
        return f"{point.step},{point.loss!r},{point.learning_rate!r},{point.gradient_norm!r},{validation}"

    @staticmethod
    def _parse(line: str) -> Point:
        step, loss, rate, norm, validation = line.split(",")
        return Point(int(step), float(loss), float(rate), float(norm), float(validation) if validation else None)
