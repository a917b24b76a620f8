"""The drift report: a closed window of requests against the reference, the verdict, and what changed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from assets.monitor.changes import Share, Stranger, moved_words, strangest
from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Finding, Requests, compare
from assets.monitor.features import asked_text
from assets.monitor.loss import bits_per_byte
from assets.monitor.reference import read_reference, scoring_environment
from assets.monitor.windows import read_prompts
from resources.build import Build, Outcome
from resources.errors import BuildError

REPORT = "report.json"


@dataclass(frozen=True)
class DriftReport:
    """The verdict on a window: `alarm` where any monitor found a shift at the shared false-alarm rate."""

    alarm: bool
    false_alarm_rate: float
    window_requests: int
    compared_requests: int
    reference_requests: int
    findings: tuple[Finding, ...]
    words: tuple[Share, ...]
    strangers: tuple[Stranger, ...]

    @classmethod
    def read(cls, folder: Path) -> DriftReport:
        return _FORMAT.validate_json((folder / REPORT).read_bytes())

    def sentence(self) -> str:
        """What a person should know first."""
        if not self.findings:
            return "No monitor is set."
        ordered = sorted(self.findings, key=lambda finding: finding.p_value)
        if not self.alarm:
            nearest = f"{ordered[0].monitor}, p = {ordered[0].p_value:.3g}"
            return f"No drift in {self.compared_requests} requests; the nearest to it is {nearest}."
        found = ", ".join(f"{f.monitor} (p = {f.p_value:.3g})" for f in ordered if f.drifted)
        more = [share.name for share in self.words if share.window > share.reference][:5]
        return f"Drift in {found}" + (f"; asked about more: {', '.join(more)}." if more else ".")


_FORMAT = TypeAdapter(DriftReport)


def report_drift(build: Build, config: MonitorConfig, window: Path, reference: Path, champion: Path) -> Outcome:
    """Compare a window's artifact with the reference of its champion, and write `report.json`.

    The champion is the model that answered most of the window; every loss is that model's, whoever answered
    the request. The report follows from what was asked, not from the order in which requests ended.

    Raises:
        BuildError: if the window holds no text.
    """
    if not build.has(REPORT):
        build.write(REPORT, _FORMAT.dump_json(_report(config, window, reference, champion), indent=1))
    with build.local(REPORT) as path:
        report = DriftReport.read(path.parent)
    stats = {
        "alarm": report.alarm,
        "requests": report.window_requests,
        "compared": report.compared_requests,
        "p_values": {finding.monitor: finding.p_value for finding in report.findings},
        "drifted": [finding.monitor for finding in report.findings if finding.drifted],
    }
    return Outcome(stats, environment=scoring_environment())


def _report(config: MonitorConfig, window: Path, reference: Path, champion: Path) -> DriftReport:
    logged = read_prompts(window)
    texts = sorted(asked_text(prompt) for prompt in logged if prompt is not None)
    if config.monitors and not texts:
        raise BuildError(
            f"the window {window} holds {len(logged)} requests and the text of none, so monitors have nothing to read; "
            "log with monitor.store_prompts: true, or set monitor.monitors: []"
        )
    if len(texts) > config.compared_requests:
        texts = sorted(random.Random(f"sample {config.seed}").sample(texts, config.compared_requests))
    asked = Requests(texts, bits_per_byte(champion, texts))
    known = read_reference(reference)
    findings = compare(asked, known, config) if config.monitors else ()
    return DriftReport(
        alarm=any(finding.drifted for finding in findings),
        false_alarm_rate=config.false_alarm_rate,
        window_requests=len(logged),
        compared_requests=len(asked),
        reference_requests=len(known),
        findings=findings,
        words=moved_words(asked, known, config.examples) if texts and len(known) else (),
        strangers=strangest(asked, config.examples),
    )
