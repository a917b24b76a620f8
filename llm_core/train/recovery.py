"""When training goes wrong: what counts as wrong, and what is skipped."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from llm_core.errors import LLMCoreError


class TrainingDivergedError(LLMCoreError):
    """The loss went wrong more often than the run may rewind."""


@dataclass(frozen=True)
class Rewind:
    """One return to a checkpoint, as the journal keeps it."""

    step: int
    """Where it went wrong."""
    reason: str
    """``loss is not finite``, ``gradient is not finite`` or ``loss spike``."""
    skipped: tuple[int, ...]
    """Steps that are skipped from then on."""


class SpikeRule:
    """Judge each step by its own loss and the losses before it.

    A spike lies more than ``threshold`` robust standard deviations (1.4826 x median absolute deviation, which is the
    standard deviation for normal noise) above the median of the last ``window`` losses. The deviation counts as at
    least 1 % of the median: a nearly constant loss must not make noise look like a spike.
    """

    def __init__(self, threshold: float, window: int, losses: Iterable[float] = ()) -> None:
        self.threshold = threshold
        self.losses = deque(losses, maxlen=window)

    def judge(self, loss: float, gradient_norm: float) -> str | None:
        """Say what is wrong with a step; None, and the loss is remembered, if nothing is."""
        if not math.isfinite(loss):
            return "loss is not finite"
        if not math.isfinite(gradient_norm):
            return "gradient is not finite"
        if self.threshold and len(self.losses) == self.losses.maxlen:
            middle = median(self.losses)
            deviation = 1.4826 * median(abs(value - middle) for value in self.losses)
            if loss > middle + self.threshold * max(deviation, 0.01 * abs(middle)):
                return "loss spike"
        self.losses.append(loss)
        return None


def steps_to_skip(step: int) -> tuple[int, ...]:
    """The steps to blame: the one that went wrong, and the one whose update led there."""
    return tuple(range(max(0, step - 1), step + 1))
