"""Promotion: the gate's verdict on disk, and its entry in the journal that names the champion."""

from __future__ import annotations

from pathlib import Path

from assets.evaluate.config import GateConfig
from assets.evaluate.gate import VERDICT, Verdict, judge
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.errors import LakeError
from resources.journal import Journal
from resources.lake import Lake


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
