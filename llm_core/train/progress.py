"""A run's metrics as lines on a terminal: rate, and time left."""

import time
from datetime import timedelta
from typing import TextIO

from llm_core.train.metrics import Event, StepMetrics, ValidationMetrics


class ProgressLines:
    """A callback that writes a line every so often."""

    def __init__(self, stream: TextIO, every_s: float = 2.0) -> None:
        self._stream, self._every_s = stream, every_s
        self._shown = 0.0
        self._rate: float | None = None

    def on_step(self, metrics: StepMetrics) -> None:
        """Show a step if the last line is old enough, or it is the last step."""
        rate = metrics.tokens_per_second
        self._rate = rate if self._rate is None else 0.9 * self._rate + 0.1 * rate  # single steps are uneven
        is_last = metrics.step + 1 == metrics.steps
        if time.monotonic() - self._shown < self._every_s and not is_last:
            return
        self._shown = time.monotonic()
        tokens_per_step = metrics.tokens / (metrics.step + 1)
        left_s = (metrics.steps - metrics.step - 1) * tokens_per_step / self._rate
        self._write(
            f"step {metrics.step + 1}/{metrics.steps}  loss {metrics.loss:.4f}  lr {metrics.learning_rate:.2e}"
            f"  |g| {metrics.gradient_norm:.2f}  {self._rate:,.0f} tokens/s  {timedelta(seconds=round(left_s))} left"
        )

    def on_validation(self, metrics: ValidationMetrics) -> None:
        """Show a validation."""
        bits = f"{metrics.bits_per_token:.4f} bits/token, {metrics.targets:,} targets"
        self._write(f"step {metrics.step}  validation loss {metrics.loss:.4f}  ({bits})")

    def on_event(self, event: Event) -> None:
        """Show all events but the frequent one."""
        if event.kind != "checkpoint":
            self._write(f"{event.kind}: {event.message}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
