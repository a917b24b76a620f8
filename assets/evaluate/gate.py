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
from typing import Any, Literal

from assets.evaluate.config import GateConfig
from assets.evaluate.estimates import Interval, differences_by_unit, mean_interval, units_needed
from assets.evaluate.held_out import Unit
from assets.evaluate.report import CHAMPION, DIGITS, SCORES, UNIGRAM, Judged, Report
from assets.evaluate.scores import Scores
from resources.errors import InputError

Decision = Literal["promote", "keep", "not_enough_evidence"]
Finding = Literal["within", "worse", "unclear"]
VERDICT = "verdict.json"
SMALL_DOMAINS = "(small domains)"


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
        """Read the verdict of a promotion's folder.

        Raises:
            InputError: if the folder holds none.
        """
        try:
            values: dict[str, Any] = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
            champion, needed = values["champion"], values["needed"]
            return cls(
                **{
                    **values,
                    "candidate": Judged(**values["candidate"]),
                    "champion": Judged(**champion) if champion else None,
                    "comparison": Comparison(**values["comparison"]),
                    "domains": tuple(
                        DomainFinding(**{**found, "comparison": Comparison(**found["comparison"])})
                        for found in values["domains"]
                    ),
                    "kneser_ney": Comparison(**values["kneser_ney"]),
                    "needed": Needed(**needed) if needed else None,
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder / VERDICT} is no verdict ({error!r}); run `tidemill verify`") from error


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


class _Bench:
    """The evidence laid out, and the rules applied to it in order."""

    def __init__(self, report: Report, scores: Scores, config: GateConfig):
        self.report, self.scores, self.config = report, scores, config
        self.opponent = CHAMPION if report.champion else UNIGRAM
        self.margin = config.minimum_improvement if report.champion else 0.0
        self.overall = self._interval(scores, self.opponent, report.unit)
        self.domains = self._domains() if report.champion else {}

    def verdict(self) -> Verdict:
        decision, reason, needed = self._decide()
        ngram = self._interval(self.scores, self.report.kneser_ney, self.report.unit)
        return Verdict(
            decision=decision,
            reason=f"{reason}. {_standing(ngram, self.report.kneser_ney)}",
            candidate=self.report.candidate,
            champion=self.report.champion,
            confidence=self.confidence,
            comparison=self._comparison(self.overall, self.opponent, self.report.unit),
            domains=tuple(
                DomainFinding(
                    domain=name,
                    comparison=self._comparison(interval, self.opponent, "page"),
                    tolerated_loss=self._tolerated(name),
                    finding=self._finding(name, interval),
                )
                for name, interval in self.domains.items()
            ),
            kneser_ney=self._comparison(ngram, self.report.kneser_ney, self.report.unit),
            needed=needed,
        )

    @property
    def confidence(self) -> float:
        return round(1 - 2 * self.config.false_promotion_rate, DIGITS)

    def _decide(self) -> tuple[Decision, str, Needed | None]:
        overall, unit, opponent = self.overall, self.report.unit, self.opponent
        figures = _words(overall, unit, self.confidence)
        if self.report.champion and self.report.candidate.fingerprint == self.report.champion.fingerprint:
            return "keep", "The candidate is the champion itself", None
        if (self.scores.nats[self.report.candidate_name] == self.scores.nats[opponent]).all():
            return "keep", f"The candidate scores every document exactly as the {opponent} does", None
        worse = [name for name, interval in self.domains.items() if self._finding(name, interval) == "worse"]
        if worse:
            told = ", ".join(
                f"{name} ({_words(self.domains[name], 'page', self.confidence)}; tolerated {self._tolerated(name):g})"
                for name in worse
            )
            return "keep", f"Against the {opponent} {figures}, but refused: worse beyond the margin in {told}", None
        if overall.high <= self.margin:
            return "keep", f"No improvement on the {opponent} of more than {self.margin:g}: {figures}", None
        if overall.low <= self.margin:
            needed = self._needed(overall, self.margin, unit, f"{unit}s", self.scores.units(unit))
            return "not_enough_evidence", f"Against the {opponent} {figures}: {_wanted(needed)}", needed
        unclear = [name for name, interval in self.domains.items() if self._finding(name, interval) == "unclear"]
        if unclear:
            name = unclear[0]
            pages = self._part(name).url
            needed = self._needed(self.domains[name], -self._tolerated(name), "page", f"pages of {name}", pages)
            told = f"{name} {_words(self.domains[name], 'page', self.confidence)}"
            return "not_enough_evidence", f"Better overall ({figures}), but {told}: {_wanted(needed)}", needed
        return "promote", f"Better than the {opponent}: {figures}", None

    def _interval(self, scores: Scores, opponent: str, unit: Unit) -> Interval:
        candidate = scores.nats[self.report.candidate_name]
        gains = differences_by_unit(scores.nats[opponent], candidate, scores.sizes, scores.units(unit))
        return mean_interval(gains, self.config.false_promotion_rate)

    def _domains(self) -> dict[str, Interval]:
        """Each domain's gain over its pages; the small ones together, if together they are large enough."""
        return {name: self._interval(self._part(name), self.opponent, "page") for name in self._judged_domains()}

    def _judged_domains(self) -> list[str]:
        names = [name for name in sorted(set(self.scores.domain)) if name not in self._small_domains()]
        pages = set(self.scores.within(self._small_domains()).url)
        return [*names, SMALL_DOMAINS] if len(pages) >= self.config.domain_pages else names

    def _small_domains(self) -> list[str]:
        pages: dict[str, set[str]] = {}
        for domain, url in zip(self.scores.domain, self.scores.url, strict=True):
            pages.setdefault(domain, set()).add(url)
        return sorted(domain for domain, urls in pages.items() if len(urls) < self.config.domain_pages)

    def _part(self, name: str) -> Scores:
        return self.scores.within(self._small_domains() if name == SMALL_DOMAINS else [name])

    def _tolerated(self, domain: str) -> float:
        return self.config.domain_tolerances.get(domain, self.config.tolerated_loss)

    def _finding(self, domain: str, gain: Interval) -> Finding:
        """Worse: surely a loss, and by estimate more than is tolerated. Within: surely no more than that."""
        tolerated = self._tolerated(domain)
        if gain.low >= -tolerated:
            return "within"
        return "worse" if gain.high < 0 and gain.mean < -tolerated else "unclear"

    def _comparison(self, interval: Interval, against: str, unit: Unit) -> Comparison:
        return Comparison(
            against=against,
            better_by=round(interval.mean, DIGITS),
            low=_bound(interval.low),
            high=_bound(interval.high),
            units=interval.units,
            unit=unit,
        )

    def _needed(self, interval: Interval, margin: float, unit: Unit, what: str, labels: Sequence[str]) -> Needed | None:
        wanted = (
            3  # the fewest units over which a spread can be told from chance with ordinary gains
            if interval.units < 2
            else units_needed(interval, margin, self.config.false_promotion_rate, self.config.power)
        )
        if wanted is None:
            return None
        more = max(1, wanted - interval.units)
        return Needed(what, more, math.ceil(more * len(labels) / max(1, interval.units)))


def _standing(gain: Interval, name: str) -> str:
    """How the candidate stands against the n-gram model, in words."""
    order = f"{name.rpartition('_')[2]}-gram"
    amount = f"{abs(gain.mean):.3f} bits per byte"
    if gain.units < 2:
        side = "better" if gain.mean > 0 else "worse"
        return f"On these documents it is {side} than the Kneser-Ney {order} by {amount}"
    if gain.low > 0:
        return f"It beats the Kneser-Ney {order} by {amount}"
    if gain.high < 0:
        return f"The Kneser-Ney {order} is still better, by {amount}"
    return f"It cannot be told from the Kneser-Ney {order} ({gain.mean:+.3f} bits per byte)"


def _words(gain: Interval, unit: Unit, confidence: float) -> str:
    side = "better" if gain.mean >= 0 else "worse"
    if gain.units < 2:
        return f"{side} by {abs(gain.mean):.3f} bits per byte on a single {unit}, which tells nothing of its spread"
    return (
        f"{side} by {abs(gain.mean):.3f} bits per byte ({confidence:.0%} interval {gain.low:+.3f} to "
        f"{gain.high:+.3f}, {gain.units} {unit}s)"
    )


def _wanted(needed: Needed | None) -> str:
    if needed is None:
        return "no number of documents would decide a difference so near the margin"
    return f"about {needed.more_units} more {needed.what} (some {needed.more_documents} documents) would decide"


def _bound(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None
