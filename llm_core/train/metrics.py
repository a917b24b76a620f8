"""What a run tells while it lasts."""

import math
from dataclasses import dataclass
from typing import Protocol


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
    """Something worth a line: started, resumed, rewound, interrupted, a checkpoint written or set aside."""

    step: int
    kind: str
    message: str


class Callback(Protocol):
    """Where a run's metrics go; called in the main process only, between steps."""

    def on_step(self, metrics: StepMetrics) -> None:
        """After each step."""

    def on_validation(self, metrics: ValidationMetrics) -> None:
        """After each validation."""

    def on_event(self, event: Event) -> None:
        """When something happens."""


class Silence:
    """A callback that does nothing."""

    def on_step(self, metrics: StepMetrics) -> None: ...
    def on_validation(self, metrics: ValidationMetrics) -> None: ...
    def on_event(self, event: Event) -> None: ...
