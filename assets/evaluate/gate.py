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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from assets.evaluate.config import GateConfig
from assets.evaluate.estimates import Interval, differences_by_unit, mean_interval, units_needed
from assets.evaluate.held_out import Unit
from assets.evaluate.report import CHAMPION, DIGITS, SCORES, UNIGRAM, Judged, Report, read_value
from assets.evaluate.scores import Scores
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.errors import LakeError
from resources.journal import Journal
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

    The bounds are None where there are too few units for any.
    """

    against: str
    better_by: float
    low: float | None
    high: float | None
    units: int
    unit: Unit


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


def judge(report: Path, config: GateConfig) -> Verdict:
    """Decide from an evaluation's folder whether its candidate becomes champion.

    Against a champion, it is promoted when the whole interval of its gain lies above the minimum
    and every domain's interval shows a loss within what is tolerated (an intersection-union test:
    it needs no correction for the number of domains). One domain that is surely worse, and by more
    than is tolerated, refuses it. Without a champion it is promoted when it surely beats the unigram model.

    Raises:
        InputError: if the folder is no evaluation.
    """
    return _Bench(Report.read(report), Scores.read(report / SCORES), config).verdict()


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
        LakeError: if the candidate's checkpoint is not in the lake.
    """
    verdict = Verdict.read(lake.local(artifact).path)
    candidate = lake.get(verdict.candidate.fingerprint)
    if candidate is None:
        raise LakeError(
            f"the verdict {artifact.fingerprint} is about {verdict.candidate.stage} {verdict.candidate.fingerprint}, "
            "which is not in the lake; run the snapshot that made it again"
        )
    journal.decide("promoted" if verdict.decision == "promote" else "kept", candidate, artifact, verdict.reason)


@dataclass(frozen=True)
class _Gain:
    """What the candidate gains over an opponent, on some documents."""

    opponent: str
    interval: Interval
    unit: Unit
    documents: int

    def comparison(self) -> Comparison:
        gain = self.interval
        low, high = (round(bound, DIGITS) if math.isfinite(bound) else None for bound in (gain.low, gain.high))
        return Comparison(self.opponent, round(gain.mean, DIGITS), low, high, gain.units, self.unit)

    def needed(self, margin: float, what: str, config: GateConfig) -> Needed | None:
        units = self.interval.units
        wanted: int | None = FEWEST_UNITS
        if units >= 2:
            wanted = units_needed(self.interval, margin, config.false_promotion_rate, config.power)
        if wanted is None:
            return None
        more = max(1, wanted - units)
        return Needed(what, more, math.ceil(more * self.documents / max(1, units)))

    def words(self, confidence: float) -> str:
        gain = self.interval
        told = f"{'better' if gain.mean >= 0 else 'worse'} by {abs(gain.mean):.3f} bits per byte"
        if gain.units < 2:
            return f"{told} on a single {self.unit}, which tells nothing of its spread"
        bounds = f"{gain.low:+.3f} to {gain.high:+.3f}"
        return f"{told} ({confidence:.0%} interval {bounds}, {gain.units} {self.unit}s)"


class _Bench:
    """The evidence laid out, and the rules applied to it in order."""

    def __init__(self, report: Report, scores: Scores, config: GateConfig):
        self.report, self.scores, self.config = report, scores, config
        self.confidence = round(1 - 2 * config.false_promotion_rate, DIGITS)
        self.opponent = CHAMPION if report.champion else UNIGRAM
        self.margin = config.minimum_improvement if report.champion else 0.0
        self.overall = self._gain(scores, self.opponent, report.unit)
        parts = _parts(scores, config.domain_pages) if report.champion else {}
        self.gains = {name: self._gain(part, self.opponent, "page") for name, part in parts.items()}
        self.domains = [self._judge_domain(name, gain) for name, gain in self.gains.items()]

    def verdict(self) -> Verdict:
        decision, reason, needed = self._decide()
        ngram = self._gain(self.scores, self.report.kneser_ney, self.report.unit)
        return Verdict(
            decision=decision,
            reason=f"{reason}. {_standing(ngram.interval, self.report.kneser_ney)}",
            candidate=self.report.candidate,
            champion=self.report.champion,
            confidence=self.confidence,
            comparison=self.overall.comparison(),
            domains=tuple(self.domains),
            kneser_ney=ngram.comparison(),
            needed=needed,
        )

    def _decide(self) -> tuple[Decision, str, Needed | None]:
        overall, opponent, margin = self.overall, self.opponent, self.margin
        if self.report.champion and self.report.candidate.fingerprint == self.report.champion.fingerprint:
            return "keep", "The candidate is the champion itself", None
        if (self.scores.nats[self.report.candidate_name] == self.scores.nats[opponent]).all():
            return "keep", f"The candidate scores every document exactly as the {opponent} does", None
        figures = overall.words(self.confidence)
        worse = [
            f"{judged.domain} ({self.gains[judged.domain].words(self.confidence)}; tolerated {judged.tolerated_loss:g})"
            for judged in self.domains
            if judged.finding == "worse"
        ]
        if worse:
            told = ", ".join(worse)
            return "keep", f"Against the {opponent} {figures}, but refused: worse beyond the margin in {told}", None
        if overall.interval.high <= margin:
            return "keep", f"No improvement on the {opponent} of more than {margin:g}: {figures}", None
        if overall.interval.low <= margin:
            needed = overall.needed(margin, f"{overall.unit}s", self.config)
            return "not_enough_evidence", f"Against the {opponent} {figures}: {_wanted(needed)}", needed
        for judged in self.domains:
            if judged.finding == "unclear":
                gain = self.gains[judged.domain]
                needed = gain.needed(-judged.tolerated_loss, f"pages of {judged.domain}", self.config)
                told = f"{judged.domain} {gain.words(self.confidence)}: {_wanted(needed)}"
                return "not_enough_evidence", f"Better overall ({figures}), but {told}", needed
        return "promote", f"Better than the {opponent}: {figures}", None

    def _gain(self, scores: Scores, opponent: str, unit: Unit) -> _Gain:
        candidate = scores.nats[self.report.candidate_name]
        gains = differences_by_unit(scores.nats[opponent], candidate, scores.sizes, scores.units(unit))
        return _Gain(opponent, mean_interval(gains, self.config.false_promotion_rate), unit, len(candidate))

    def _judge_domain(self, domain: str, gain: _Gain) -> DomainFinding:
        """Worse: surely a loss, and by estimate more than is tolerated. Within: surely no more than that."""
        tolerated = self.config.domain_tolerances.get(domain, self.config.tolerated_loss)
        mean, low, high = gain.interval.mean, gain.interval.low, gain.interval.high
        finding: Finding = "worse" if high < 0 and mean < -tolerated else "unclear"
        return DomainFinding(domain, gain.comparison(), tolerated, "within" if low >= -tolerated else finding)


def _parts(scores: Scores, fewest_pages: int) -> dict[str, Scores]:
    """The scores by domain; the small ones together, if together they are large enough."""

    def is_large(part: Scores) -> bool:
        return len(set(part.column("url"))) >= fewest_pages

    parts = {name: scores.within([name]) for name in sorted(set(scores.column("domain")))}
    large = {name: part for name, part in parts.items() if is_large(part)}
    rest = scores.within([name for name in parts if name not in large])
    return {**large, SMALL_DOMAINS: rest} if is_large(rest) else large


def _standing(gain: Interval, name: str) -> str:
    """How the candidate stands against the n-gram model, in words."""
    model = f"Kneser-Ney {name.rpartition('_')[2]}-gram"
    amount = f"{abs(gain.mean):.3f} bits per byte"
    if gain.units < 2:
        return f"On these documents it is {'better' if gain.mean > 0 else 'worse'} than the {model} by {amount}"
    if gain.low > 0:
        return f"It beats the {model} by {amount}"
    if gain.high < 0:
        return f"The {model} is still better, by {amount}"
    return f"It cannot be told from the {model} ({gain.mean:+.3f} bits per byte)"


def _wanted(needed: Needed | None) -> str:
    if needed is None:
        return "no number of documents would decide a difference so near the margin"
    return f"about {needed.more_units} more {needed.what} (some {needed.more_documents} documents) would decide"
