"""The evaluation's summary: every model's bits per byte by domain, and what it was compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.evaluate.estimates import bits_per_byte, wilson
from assets.evaluate.held_out import Unit
from assets.evaluate.scores import Scores
from resources.artifact import Artifact
from resources.errors import InputError

SUMMARY, SCORES, SAMPLES = "summary.json", "per_document.parquet", "samples.jsonl"
CHAMPION, UNIGRAM = "champion", "unigram"
DIGITS = 6


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
        low, high = wilson(correct, items)
        return cls(correct, items, round(correct / items, DIGITS), round(low, DIGITS), round(high, DIGITS))


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
        """Read an evaluation's summary.

        Raises:
            InputError: if the folder holds none.
        """
        try:
            values: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
            models = {name: _result(result) for name, result in values.pop("models").items()}
            candidate, champion = Judged(**values.pop("candidate")), values.pop("champion")
            return cls(candidate=candidate, champion=Judged(**champion) if champion else None, models=models, **values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder / SUMMARY} is no evaluation's summary ({error!r}); evaluate again") from error


def measure(scores: Scores, unit: Unit, completions: Mapping[str, Completion | None]) -> dict[str, ModelResult]:
    """Every model's figures: overall, clustered by unit; by domain, clustered by unit or, within one host, by page."""
    parts = {domain: scores.within([domain]) for domain in sorted(set(scores.domain))}
    return {
        name: ModelResult(
            overall=_figure(scores, name, scores.units(unit)),
            domains={
                domain: _figure(part, name, part.units(unit) if len(set(part.host)) > 1 else part.url)
                for domain, part in parts.items()
            },
            completion=completions[name],
        )
        for name in scores.nats
    }


def _figure(scores: Scores, model: str, clusters: Sequence[str]) -> Figure:
    estimate = bits_per_byte(scores.nats[model], scores.sizes, clusters)
    error = estimate.standard_error
    return Figure(
        bits_per_byte=round(estimate.value, DIGITS),
        standard_error=None if error is None else round(error, DIGITS),
        clusters=estimate.clusters,
        documents=len(scores.document),
    )


def _result(values: Mapping[str, Any]) -> ModelResult:
    completion = values["completion"]
    return ModelResult(
        overall=Figure(**values["overall"]),
        domains={domain: Figure(**figure) for domain, figure in values["domains"].items()},
        completion=Completion(**completion) if completion else None,
    )
