"""When training goes wrong: what counts as wrong, and what is skipped."""

import math
from collections.abc import Sequence
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


def what_is_wrong(
    loss: float, gradient_norm: float, earlier: Sequence[float], *, threshold: float, window: int
) -> str | None:
    """Judge a step by its own loss and the losses before it; None if nothing is wrong.

    A spike lies more than ``threshold`` robust standard deviations (1.4826 x median absolute deviation, which is the
    standard deviation for normal noise) above the median of the last ``window`` losses; before there are as many, and
    with a threshold of 0, nothing is a spike. The deviation counts as at least 1 % of the median: a nearly constant
    loss must not make noise look like a spike.
    """
    if not math.isfinite(loss):
        return "loss is not finite"
    if not math.isfinite(gradient_norm):
        return "gradient is not finite"
    if threshold and len(earlier) >= window:
        recent = earlier[-window:]
        middle = median(recent)
        deviation = 1.4826 * median(abs(value - middle) for value in recent)
        if loss > middle + threshold * max(deviation, 0.01 * abs(middle)):
            return "loss spike"
    return None
