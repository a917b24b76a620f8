"""Monitoring's part of the spec."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from assets.config import Config
from assets.pii import PII_KINDS, PiiKind

MonitorName = Literal["text_statistics", "vocabulary", "model_loss"]
MONITORS: tuple[MonitorName, ...] = get_args(MonitorName)


class MonitorConfig(Config):
    """What of the traffic is logged, how it is cut into windows, and when a window counts as drifted."""

    store_prompts: bool = True
    """Whether the log keeps the text of prompts; lengths and counts are kept always."""
    store_completions: bool = True
    """Whether the log keeps the text of completions; lengths and counts are kept always."""
    mask: tuple[PiiKind, ...] = PII_KINDS
    """Kinds of personal data that are replaced by placeholders before a text is written."""
    longest_text: int = Field(20_000, ge=100)
    """Characters of a prompt or completion that are kept, after masking; the rest is cut off."""

    window_requests: int = Field(200, ge=20)
    """Requests in a window: it closes with the last of them."""

    monitors: tuple[MonitorName, ...] = MONITORS
    """What is compared: length and make-up of the texts, their words, and the champion's loss on them."""
    false_alarm_rate: float = Field(0.001, gt=0, lt=1)
    """Share of windows without drift that may raise an alarm, over all monitors together."""
    permutations: int = Field(9_999, ge=99)
    """Random relabellings that each monitor's p-value is counted over."""
    reference_requests: int = Field(2_000, ge=50)
    """Questions that the reference asks, each drawn from the champion's held-out documents."""
    compared_requests: int = Field(1_000, ge=20)
    """Most requests of a window that are compared; of a larger one a seeded sample is."""
    examples: int = Field(5, ge=0)
    """Requests that the report quotes, for each finding."""
    seed: int = 0
    """Seed of the reference's draws, of the samples and of the relabellings."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if len(set(self.monitors)) < len(self.monitors):
            raise ValueError("monitors names one twice; name each once")
        if self.monitors and not self.store_prompts:
            raise ValueError("store_prompts: false leaves the monitors nothing to read; set monitors: [] with it")
        needed = len(self.monitors) / self.false_alarm_rate - 1
        if self.permutations < needed:
            raise ValueError(
                f"permutations {self.permutations} cannot show a p-value small enough for false_alarm_rate "
                f"{self.false_alarm_rate} over {len(self.monitors)} monitors; set at least {needed:.0f}"
            )
        return self
