"""What the report tells, as plain values: read once from the home, then only laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.journal import State

if TYPE_CHECKING:
    from assets.evaluate.gate import Verdict
    from assets.evaluate.report import Report
    from assets.monitor.report import DriftReport

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class StageCount:
    """The accounting of a document stage at a snapshot: `entered == kept + Σ dropped`."""

    stage: str
    snapshot: str
    entered: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class TokenCount:
    """The tokens of a snapshot on either side of the split."""

    snapshot: str
    train: int
    held_out: int
    vocabulary: int


@dataclass(frozen=True)
class Page:
    """A document as the report shows it: shortened, personal data masked."""

    url: str
    title: str
    text: str


@dataclass(frozen=True)
class Example:
    """A dropped document beside a kept one.

    `is_twin` says that the kept one is what the dropped one is a copy of; otherwise it is a page
    that passed the same stage. `dropped.text` is as the stage saw it. `kept` is None where the stage
    kept nothing.
    """

    stage: str
    snapshot: str
    reason: str
    score: float | None
    dropped: Page
    kept: Page | None
    is_twin: bool


@dataclass(frozen=True)
class Training:
    """A checkpoint's training; `curves` as `assets.exhibits.loss_curves` gives them."""

    stage: str
    snapshot: str
    fingerprint: str
    steps: int
    tokens: int
    parameters: int
    curves: Mapping[str, Points]


@dataclass(frozen=True)
class Sample:
    """What a model wrote after a prompt, and how the document goes on."""

    model: str
    url: str
    prompt: str
    truth: str
    greedy: str
    sampled: str


@dataclass(frozen=True)
class Evaluation:
    """A snapshot's evaluation and what its models wrote."""

    snapshot: str
    report: Report
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Judgement:
    """A verdict of the gate at a snapshot."""

    snapshot: str
    verdict: Verdict


@dataclass(frozen=True)
class Drift:
    """A closed window of requests and what the monitors found in it."""

    window: str
    report: DriftReport


@dataclass(frozen=True)
class Cost:
    """What an artifact took: `seconds` to make (None where no run says), `size_bytes` to keep."""

    stage: str
    snapshot: str
    seconds: float | None
    size_bytes: int


@dataclass(frozen=True)
class Story:
    """All that the report tells of one model's name in a home; every part may be empty."""

    profile: str
    model: str
    snapshots: tuple[str, ...]
    pages_fetched: int
    funnel: tuple[StageCount, ...]
    tokens: tuple[TokenCount, ...]
    examples: tuple[Example, ...]
    trainings: tuple[Training, ...]
    evaluations: tuple[Evaluation, ...]
    judgements: tuple[Judgement, ...]
    registry: State
    drifts: tuple[Drift, ...]
    costs: tuple[Cost, ...]
