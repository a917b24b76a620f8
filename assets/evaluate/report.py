"""The evaluation's summary: every model's bits per byte by domain, and what it was compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter
from scipy import stats

from assets.evaluate.estimates import Values, sums_by
from assets.evaluate.held_out import Unit
from assets.evaluate.scores import Scores
from resources.artifact import Artifact
from resources.errors import InputError

SUMMARY, SCORES, SAMPLES = "summary.json", "per_document.parquet", "samples.jsonl"
CHAMPION, UNIGRAM = "champion", "unigram"
DIGITS = 6
Value = TypeVar("Value")


@dataclass(frozen=True)
class Judged:
    """A checkpoint, by the stage that made it and its fingerprint."""

    stage: str
    fingerprint: str

    @classmethod
    def of(cls, artifact: Artifact) -> Judged:
        return cls(artifact.stage, artifact.fingerprint)


@dataclass(frozen=True)
class Figure:
    """Bits per byte over some documents, with the standard error over clusters of them (None below two)."""

    bits_per_byte: float
    standard_error: float | None
    clusters: int
    documents: int

    @classmethod
    def of(cls, nats: Values, sizes: Values, clusters: Sequence[str]) -> Figure:
        """Pooled: all nats over all bytes.

        Documents of a cluster vary together, so the variance is that of the clusters' summed
        residuals, linearised for a ratio, with the factor G / (G - 1) (Liang & Zeger, 1986; for
        evaluations Miller, 2024, arXiv 2411.00640). With few clusters it is too small on average:
        it is for reading; the gate decides by `mean_interval`.
        """
        ratio = float(nats.sum() / sizes.sum())
        residuals = sums_by(clusters, nats - ratio * sizes) / sizes.sum()
        count = residuals.size
        error = math.sqrt(count / (count - 1) * float((residuals**2).sum())) / math.log(2) if count > 1 else None
        error = None if error is None else round(error, DIGITS)
        return cls(round(ratio / math.log(2), DIGITS), error, count, nats.size)


@dataclass(frozen=True)
class Completion:
    """Signature completion: questions answered right, and Wilson's 95 % interval of the share."""

    correct: int
    items: int
    accuracy: float
    low: float
    high: float

    @classmethod
    def of(cls, correct: int, items: int) -> Completion:
        low, high = stats.binomtest(correct, items).proportion_ci(0.95, method="wilson")
        return cls(correct, items, *(round(float(share), DIGITS) for share in (correct / items, low, high)))


@dataclass(frozen=True)
class ModelResult:
    """One model's figures; `completion` is None where there was no question."""

    overall: Figure
    domains: Mapping[str, Figure]
    completion: Completion | None


@dataclass(frozen=True)
class Report:
    """What was measured, of whom, and in which way.

    `candidate` and `champion` are the checkpoints to be compared; `models` the results by name:
    the snapshot's checkpoints, "champion" where there is one, "unigram", and the n-gram model
    that `kneser_ney` names. `unit` is what was drawn when documents were held out, `chance` the
    completion accuracy of guessing.
    """

    candidate_name: str
    candidate: Judged
    champion: Judged | None
    kneser_ney: str
    unit: Unit
    documents: int
    tokens: int
    bytes: int
    context_tokens: int
    chance: float
    models: Mapping[str, ModelResult]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Report:
        """Read an evaluation's summary; an InputError says that the folder holds none."""
        return read_value(cls, folder / SUMMARY)


def read_value(kind: type[Value], path: Path) -> Value:
    """Read a dataclass from the JSON of its fields."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no {kind.__name__.lower()} ({error}); run `tidemill verify`") from error


def measure(scores: Scores, unit: Unit, completions: Mapping[str, Completion | None]) -> dict[str, ModelResult]:
    """Every model's figures: overall, clustered by unit; by domain, clustered by page."""
    parts = {domain: scores.within([domain]) for domain in sorted(set(scores.column("domain")))}
    return {
        name: ModelResult(
            overall=Figure.of(nats, scores.sizes, scores.units(unit)),
            domains={
                domain: Figure.of(part.nats[name], part.sizes, part.units("page")) for domain, part in parts.items()
            },
            completion=completions[name],
        )
        for name, nats in scores.nats.items()
    }
