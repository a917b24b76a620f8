"""The gate: a candidate against the champion, paired on the same documents, with the uncertainty in the verdict.

The unit is what was drawn when documents were held out: hosts, as a rule. Pages of a host resemble
each other, so a gain on one host may be that host's alone; the verdict speaks of hosts like those
held out, and each host counts once, by the mean of its bits per byte. With two or three hosts
nothing is loosened: Student's t then has one or two degrees of freedom, so a gain passes when it is
large beside its spread over the hosts (at two, if the smaller gain is at least .73 of the larger).
Where pages were held out one by one, the page is the unit. Within a domain pages are always the
unit: there the question is about that domain alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from assets.evaluate.config import GateConfig
from assets.evaluate.estimates import differences_by_unit, mean_interval, units_needed
from assets.evaluate.held_out import Unit
from assets.evaluate.report import CHAMPION, DIGITS, SCORES, UNIGRAM, Judged, Report, read_value
from assets.evaluate.scores import Scores
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.errors import LakeError
from resources.journal import Decided, Journal
from resources.lake import Lake

Decision = Literal["promote", "keep", "not_enough_evidence"]
Finding = Literal["within", "worse", "unclear"]
VERDICT = "verdict.json"
SMALL_DOMAINS = "(small domains)"
FEWEST_UNITS = 3
"""Units over which a spread can be told from chance with ordinary gains."""


@dataclass(frozen=True)
class Comparison:
    """How many bits per byte the candidate is better by: the mean over units, and its interval.

    Bounds and deviation are None where there are too few units for any. Decisions are made on these
    figures as they are rounded, so that whoever reads them comes to the same.
    """

    against: str
    better_by: float
    low: float | None
    high: float | None
    deviation: float | None
    units: int
    unit: Unit
    documents: int

    @classmethod
    def of(cls, scores: Scores, candidate: str, against: str, unit: Unit, error_rate: float) -> Comparison:
        nats = scores.nats
        gain = mean_interval(
            differences_by_unit(nats[against], nats[candidate], scores.sizes, scores.units(unit)), error_rate
        )
        low, high, deviation = (
            round(value, DIGITS) if math.isfinite(value) else None for value in (gain.low, gain.high, gain.deviation)
        )
        return cls(against, round(gain.mean, DIGITS), low, high, deviation, gain.units, unit, len(nats[candidate]))

    def at_least(self, margin: float) -> bool:
        return self.low is not None and self.low >= margin

    def at_most(self, margin: float) -> bool:
        return self.high is not None and self.high <= margin

    def words(self, confidence: float) -> str:
        told = f"{'better' if self.better_by >= 0 else 'worse'} by {abs(self.better_by):.3f} bits per byte"
        if self.low is None:
            return f"{told} on a single {self.unit}, which tells nothing of its spread"
        return f"{told} ({confidence:.0%} interval {self.low:+.3f} to {self.high:+.3f}, {self.units} {self.unit}s)"


@dataclass(frozen=True)
class DomainFinding:
    """One domain's comparison with the champion, and whether its loss is within what is tolerated."""

    domain: str
    comparison: Comparison
    tolerated_loss: float
    finding: Finding


@dataclass(frozen=True)
class Needed:
    """How much more would have to be held out to decide, were the differences to go on as they are."""

    what: str
    more_units: int
    more_documents: int


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, of whom, and why."""

    decision: Decision
    reason: str
    candidate: Judged
    champion: Judged | None
    confidence: float
    comparison: Comparison
    domains: tuple[DomainFinding, ...]
    kneser_ney: Comparison
    needed: Needed | None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Verdict:
        """Read the verdict of a promotion's folder; an InputError says that it holds none."""
        return read_value(cls, folder / VERDICT)


def judge(folder: Path, config: GateConfig) -> Verdict:
    """Decide from an evaluation's folder whether its candidate becomes champion.

    Against a champion, it is promoted when the whole interval of its gain lies above the minimum
    and every domain's interval shows a loss within what is tolerated (an intersection-union test:
    it needs no correction for the number of domains). One domain that is surely worse, and by more
    than is tolerated, refuses it. Without a champion it is promoted when it surely beats the unigram model.

    Raises:
        InputError: if the folder is no evaluation.
    """
    report, scores = Report.read(folder), Scores.read(folder / SCORES)
    name, opponent = report.candidate_name, CHAMPION if report.champion else UNIGRAM
    overall, ngram = (
        Comparison.of(scores, name, against, report.unit, config.false_promotion_rate)
        for against in (opponent, report.kneser_ney)
    )
    parts = _parts(scores, config.domain_pages) if report.champion else {}
    domains = tuple(
        _judge_domain(domain, Comparison.of(part, name, opponent, "page", config.false_promotion_rate), config)
        for domain, part in parts.items()
    )
    decision: Decision = "keep"
    needed = None
    if report.champion and report.candidate.fingerprint == report.champion.fingerprint:
        reason = "The candidate is the champion itself"
    elif (scores.nats[name] == scores.nats[opponent]).all():
        reason = f"The candidate scores every document exactly as the {opponent} does"
    else:
        decision, reason, needed = _decide(overall, domains, config)
    return Verdict(
        decision=decision,
        reason=f"{reason}. {_standing(ngram)}",
        candidate=report.candidate,
        champion=report.champion,
        confidence=config.confidence,
        comparison=overall,
        domains=domains,
        kneser_ney=ngram,
        needed=needed,
    )


def decide(build: Build, config: GateConfig, report: Path) -> Outcome:
    """Judge an evaluation, and keep the verdict."""
    verdict = judge(report, config)
    build.write(VERDICT, verdict.to_json())
    return Outcome(
        {
            "decision": verdict.decision,
            "better_by": verdict.comparison.better_by,
            "domains_judged": len(verdict.domains),
            "units": verdict.comparison.units,
        }
    )


def settle(artifact: Artifact, lake: Lake, journal: Journal) -> None:
    """Enter a verdict in the journal: the candidate promoted, or kept as a challenger; once, however often asked.

    Raises:
        LakeError: if the candidate's checkpoint is not in the lake, and the verdict is not entered yet.
    """
    if journal.read().verdict(artifact.fingerprint) is not None:
        return
    verdict = Verdict.read(lake.local(artifact).path)
    candidate = lake.get(verdict.candidate.fingerprint)
    if candidate is None:
        raise LakeError(
            f"the verdict {artifact.fingerprint} is about {verdict.candidate.stage} {verdict.candidate.fingerprint}, "
            "which is not in the lake; run the snapshot that made it again"
        )
    kind: Decided = "promoted" if verdict.decision == "promote" else "kept"
    against = verdict.champion.fingerprint if verdict.champion else ""
    journal.decide(kind, candidate, artifact, verdict.reason, against=against)


def _decide(
    overall: Comparison, domains: Sequence[DomainFinding], config: GateConfig
) -> tuple[Decision, str, Needed | None]:
    """The rules in their order: what refuses, what is no improvement, what is not sure, and else promotion."""
    opponent, confidence = overall.against, config.confidence
    margin = config.minimum_improvement if opponent == CHAMPION else 0.0
    figures = overall.words(confidence)
    told = {found.domain: found.comparison.words(confidence) for found in domains}
    worse = [
        f"{found.domain} ({told[found.domain]}; tolerated {found.tolerated_loss:g})"
        for found in domains
        if found.finding == "worse"
    ]
    if worse:
        told_worse = ", ".join(worse)
        return "keep", f"Against the {opponent} {figures}, but refused: worse beyond the margin in {told_worse}", None
    if overall.at_most(margin):
        return "keep", f"No improvement on the {opponent} of more than {margin:g}: {figures}", None
    if overall.low is None or overall.low <= margin:
        needed = _needed(overall, margin, f"{overall.unit}s", config)
        return "not_enough_evidence", f"Against the {opponent} {figures}: {_wanted(needed)}", needed
    for found in domains:
        if found.finding == "unclear":
            needed = _needed(found.comparison, -found.tolerated_loss, f"pages of {found.domain}", config)
            unclear = f"{found.domain} {told[found.domain]}: {_wanted(needed)}"
            return "not_enough_evidence", f"Better overall ({figures}), but {unclear}", needed
    return "promote", f"Better than the {opponent}: {figures}", None


def _judge_domain(domain: str, gain: Comparison, config: GateConfig) -> DomainFinding:
    """Worse: surely a loss, and by estimate more than is tolerated. Within: surely no more than that."""
    tolerated = config.domain_tolerances.get(domain, config.tolerated_loss)
    finding: Finding = "worse" if gain.at_most(0) and gain.better_by < -tolerated else "unclear"
    return DomainFinding(domain, gain, tolerated, "within" if gain.at_least(-tolerated) else finding)


def _needed(gain: Comparison, margin: float, what: str, config: GateConfig) -> Needed | None:
    wanted: int | None = FEWEST_UNITS
    if gain.deviation is not None:
        effect = abs(gain.better_by - margin)
        wanted = units_needed(effect, gain.deviation, config.false_promotion_rate, config.power)
    if wanted is None:
        return None
    more = max(1, wanted - gain.units)
    return Needed(what, more, math.ceil(more * gain.documents / gain.units))


def _parts(scores: Scores, fewest_pages: int) -> dict[str, Scores]:
    """The scores by domain; the small ones together, if together they are large enough."""

    def is_large(part: Scores) -> bool:
        return len(set(part.column("url"))) >= fewest_pages

    parts = {name: scores.within([name]) for name in sorted(set(scores.column("domain")))}
    large = {name: part for name, part in parts.items() if is_large(part)}
    rest = scores.within([name for name in parts if name not in large])
    return {**large, SMALL_DOMAINS: rest} if is_large(rest) else large


def _standing(gain: Comparison) -> str:
    """How the candidate stands against the n-gram model, in words."""
    model = f"Kneser-Ney {gain.against.rpartition('_')[2]}-gram"
    amount = f"{abs(gain.better_by):.3f} bits per byte"
    if gain.low is not None and gain.low > 0:
        return f"It beats the {model} by {amount}"
    if gain.at_most(0):
        return f"The {model} is still better, by {amount}"
    return f"It cannot be told from the {model} ({gain.better_by:+.3f} bits per byte)"


def _wanted(needed: Needed | None) -> str:
    if needed is None:
        return "no number of documents would decide a difference so near the margin"
    return f"about {needed.more_units} more {needed.what} (some {needed.more_documents} documents) would decide"
