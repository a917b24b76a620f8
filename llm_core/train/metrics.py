"""What a run tells while it lasts."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

LINE_EVERY_S = 5.0


@dataclass(frozen=True)
class StepMetrics:
    """A step that was taken."""

    step: int
    """Number of the step, from 0."""
    steps: int
    """Steps of the whole run."""
    loss: float
    """Mean over the step's targets, in nats, before the update."""
    learning_rate: float
    """Rate of the hidden matrices."""
    gradient_norm: float
    """Norm of the whole gradient, before clipping."""
    tokens: int
    """Tokens read so far."""
    tokens_per_second: float
    """Over this step, validation and checkpoints left out."""


@dataclass(frozen=True)
class ValidationMetrics:
    """A pass over the validation shards."""

    step: int
    """Steps taken before."""
    loss: float
    """Mean over the targets, in nats a token."""
    targets: int
    """How many there were."""

    @property
    def bits_per_token(self) -> float:
        """The same mean in bits."""
        return self.loss / math.log(2)


@dataclass(frozen=True)
class Event:
    """Something worth a line: started, resumed, rewound, finished, or a checkpoint written."""

    step: int
    kind: str
    message: str


class Callback:
    """Where a run's metrics go; called in the main process only, between steps. This one does nothing."""

    def on_step(self, metrics: StepMetrics) -> None:
        """After each step."""

    def on_validation(self, metrics: ValidationMetrics) -> None:
        """After each validation."""

    def on_event(self, event: Event) -> None:
        """When something happens."""


class ProgressLines(Callback):
    """Metrics as lines, every few seconds, on standard error or where `tell` takes them: rate, and time left."""

    shown = 0.0
    rate: float | None = None

    def __init__(self, tell: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n")) -> None:
        self.tell = tell

    def on_step(self, metrics: StepMetrics) -> None:
        """Show a step if the last line is old enough, or it is the last step."""
        rate = metrics.tokens_per_second
        self.rate = rate if self.rate is None else 0.9 * self.rate + 0.1 * rate  # single steps are uneven
        done, left = metrics.step + 1, metrics.steps - metrics.step - 1
        if left and time.monotonic() - self.shown < LINE_EVERY_S:
            return
        self.shown = time.monotonic()
        left_s = left * metrics.tokens / done / self.rate
        self.tell(
            f"step {done}/{metrics.steps}  loss {metrics.loss:.4f}  lr {metrics.learning_rate:.2e}"
            f"  |g| {metrics.gradient_norm:.2f}  {self.rate:,.0f} tokens/s  {timedelta(seconds=round(left_s))} left"
        )

    def on_validation(self, metrics: ValidationMetrics) -> None:
        """Show a validation."""
        bits = f"{metrics.bits_per_token:.4f} bits/token, {metrics.targets:,} targets"
        self.tell(f"step {metrics.step}  validation loss {metrics.loss:.4f}  ({bits})")

    def on_event(self, event: Event) -> None:
        """Show all events but the frequent one."""
        if event.kind != "checkpoint":
            self.tell(f"{event.kind}: {event.message}")
