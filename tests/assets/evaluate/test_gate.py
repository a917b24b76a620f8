"""What the gate promotes, what it refuses, and how often it is wrong."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from assets.evaluate.config import GateConfig
from assets.evaluate.gate import SMALL_DOMAINS, Verdict, judge
from assets.evaluate.report import SCORES, SUMMARY, Judged, Report, measure
from assets.evaluate.scores import DOCUMENTS, Scores

SIZE = 1000.0
CANDIDATE, CHAMPION = Judged("pretrained_checkpoint", "c" * 32), Judged("pretrained_checkpoint", "d" * 32)


@dataclass
class Desk:
    """Writes evaluations with given gains in bits per byte, and hands them to the gate."""

    folder: Path

    def judge(
        self,
        gains: dict[str, list[float]],
        *,
        config: GateConfig | None = None,
        champion: Judged | None = CHAMPION,
        unit: str = "host",
        ngram: float = 0.0,
    ) -> Verdict:
        """`gains` by host: the candidate's gain on each of its pages; `ngram` the n-gram model's over the opponent."""
        rows = [(host, page, gain) for host, of_host in gains.items() for page, gain in enumerate(of_host)]
        opponent = np.full(len(rows), 3.0 * SIZE * math.log(2))
        gained = np.array([gain for _, _, gain in rows]) * SIZE * math.log(2)
        columns = [
            [f"{host}-{page}" for host, page, _ in rows],
            [f"http://{host}/{page}" for host, page, _ in rows],
            [host for host, _, _ in rows],
            ["2026-01-05"] * len(rows),
            [300] * len(rows),
            [int(SIZE)] * len(rows),
        ]
        scores = Scores(
            pa.table(columns, schema=DOCUMENTS),
            nats={
                "pretrained_checkpoint": opponent - gained,
                **({"champion": opponent} if champion else {}),
                "unigram": opponent,
                "kneser_ney_5": opponent - ngram * SIZE * math.log(2),
            },
        )
        report = Report(
            candidate_name="pretrained_checkpoint",
            candidate=CANDIDATE,
            champion=champion,
            kneser_ney="kneser_ney_5",
            unit=unit,
            documents=len(rows),
            tokens=300 * len(rows),
            bytes=int(SIZE) * len(rows),
            context_tokens=256,
            chance=0.25,
            models=measure(scores, unit, dict.fromkeys(scores.nats)),
        )
        self.folder.mkdir(exist_ok=True)
        scores.write(self.folder / SCORES)
        (self.folder / SUMMARY).write_text(report.to_json(), encoding="utf-8")
        assert Report.read(self.folder) == report
        return judge(self.folder, config or GateConfig())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "report")


def around(mean: float, pages: int = 20, spread: float = 0.02, seed: int = 0) -> list[float]:
    """Gains of pages, scattered evenly around their mean."""
    offsets = np.random.default_rng(seed).normal(0, spread, pages)
    return [float(gain) for gain in mean + offsets - offsets.mean()]


def test_a_clearly_better_model_is_promoted_even_with_three_hosts(desk: Desk) -> None:
    verdict = desk.judge({"a": around(0.21), "b": around(0.18), "c": around(0.25)})

    assert verdict.decision == "promote"
    assert verdict.comparison.better_by == pytest.approx(0.2133, abs=1e-4)
    assert verdict.comparison.low is not None
    assert 0 < verdict.comparison.low < 0.2133
    assert verdict.comparison.units == 3
    assert "3 hosts" in verdict.reason


def test_two_hosts_suffice_when_they_agree_and_not_when_they_do_not(desk: Desk) -> None:
    assert desk.judge({"a": around(0.20), "b": around(0.16)}).decision == "promote"
    assert desk.judge({"a": around(0.20), "b": around(0.10)}).decision == "not_enough_evidence"


def test_one_host_is_not_enough_however_many_pages_it_has(desk: Desk) -> None:
    verdict = desk.judge({"a": around(0.5, pages=200)})

    assert verdict.decision == "not_enough_evidence"
    assert verdict.needed is not None
    assert (verdict.needed.what, verdict.needed.more_units) == ("hosts", 2)


def test_pages_are_counted_where_pages_were_held_out(desk: Desk) -> None:
    verdict = desk.judge({"a": around(0.05, pages=40)}, unit="page")

    assert verdict.decision == "promote"
    assert verdict.comparison.units == 40


def test_little_evidence_says_how_much_more_would_decide(desk: Desk) -> None:
    few = {"a": around(0.03), "b": around(-0.02), "c": around(0.04)}

    verdict = desk.judge(few)

    assert verdict.decision == "not_enough_evidence"
    assert verdict.needed is not None
    assert verdict.needed.more_units > 3
    assert verdict.needed.more_documents == 20 * verdict.needed.more_units
    assert f"about {verdict.needed.more_units} more hosts" in verdict.reason


def test_better_overall_but_worse_in_one_domain_is_refused_by_name(desk: Desk) -> None:
    gains = {f"host{number}": around(0.3, seed=number) for number in range(8)} | {"bad.org": around(-0.2)}

    verdict = desk.judge(gains)

    assert verdict.decision == "keep"
    assert verdict.comparison.better_by > 0.2
    assert "bad.org" in verdict.reason
    assert {finding.domain: finding.finding for finding in verdict.domains}["bad.org"] == "worse"


def test_a_loss_within_the_margin_is_tolerated_and_the_margin_is_the_specs(desk: Desk) -> None:
    gains = {f"host{number}": around(0.3, seed=number) for number in range(8)} | {"odd.org": around(-0.03)}

    assert desk.judge(gains).decision == "promote"
    assert desk.judge(gains, config=GateConfig(tolerated_loss=0.01)).decision == "keep"
    assert desk.judge(gains, config=GateConfig(tolerated_loss=0.01, domain_tolerances={"odd.org": 0.1})).decision == (
        "promote"
    )


def test_a_domain_that_cannot_be_cleared_leaves_the_verdict_open(desk: Desk) -> None:
    gains = {f"host{number}": around(0.3, seed=number) for number in range(8)}

    verdict = desk.judge(gains | {"odd.org": around(-0.02, pages=6, spread=0.3)})

    assert verdict.decision == "not_enough_evidence"
    assert verdict.needed is not None
    assert verdict.needed.what == "pages of odd.org"


def test_small_domains_are_judged_together(desk: Desk) -> None:
    gains = {f"host{number}": around(0.3, seed=number) for number in range(6)}
    small = {f"small{number}": around(-0.4, pages=3) for number in range(2)}

    verdict = desk.judge(gains | small)

    assert verdict.decision == "keep"
    assert SMALL_DOMAINS in verdict.reason


def test_a_minimum_improvement_must_be_exceeded_for_certain(desk: Desk) -> None:
    gains = {f"host{number}": around(0.1 + 0.01 * number, seed=number) for number in range(4)}

    assert desk.judge(gains, config=GateConfig(minimum_improvement=0.05)).decision == "promote"
    assert desk.judge(gains, config=GateConfig(minimum_improvement=0.11)).decision == "not_enough_evidence"
    assert desk.judge(gains, config=GateConfig(minimum_improvement=0.5)).decision == "keep"


def test_the_champion_against_itself_is_never_promoted(desk: Desk) -> None:
    verdict = desk.judge({"a": around(0.9), "b": around(0.9), "c": around(0.9)}, champion=CANDIDATE)

    assert verdict.decision == "keep"
    assert "champion itself" in verdict.reason


def test_a_model_that_scores_as_the_champion_does_is_never_promoted(desk: Desk) -> None:
    verdict = desk.judge({"a": [0.0] * 9, "b": [0.0] * 9})

    assert verdict.decision == "keep"
    assert "exactly" in verdict.reason


def test_the_first_model_is_promoted_by_beating_the_unigram_and_told_where_the_ngram_stands(desk: Desk) -> None:
    gains = {"a": around(0.8), "b": around(0.9), "c": around(0.85)}

    verdict = desk.judge(gains, champion=None, ngram=1.2)

    assert verdict.decision == "promote"
    assert verdict.comparison.against == "unigram"
    assert verdict.domains == ()
    assert "The Kneser-Ney 5-gram is still better, by 0.350" in verdict.reason
    assert "It beats the Kneser-Ney 5-gram" in desk.judge(gains, champion=None, ngram=0.2).reason


def test_a_first_model_below_the_unigram_is_not_promoted(desk: Desk) -> None:
    assert desk.judge({"a": around(-0.8), "b": around(-0.9), "c": around(-0.7)}, champion=None).decision == "keep"


@pytest.mark.parametrize("hosts", [2, 3, 6])
def test_models_that_are_no_better_are_promoted_no_more_often_than_the_rate(desk: Desk, hosts: int) -> None:
    rng = np.random.default_rng(hosts)
    trials, config = 120, GateConfig(tolerated_loss=9.0)

    promoted = 0
    for _ in range(trials):
        of_host = rng.normal(0, 0.1, hosts)
        pages = rng.integers(2, 30, hosts)
        gains = {
            f"host{number}": (of_host[number] + rng.normal(0, 0.2, pages[number])).tolist() for number in range(hosts)
        }
        promoted += desk.judge(gains, config=config).decision == "promote"

    assert stats.binomtest(promoted, trials, config.false_promotion_rate, alternative="greater").pvalue > 0.001


def test_a_planted_gain_is_found(desk: Desk) -> None:
    rng = np.random.default_rng(1)
    promoted = 0
    for _ in range(30):
        gains = {f"host{n}": (0.1 + rng.normal(0, 0.03) + rng.normal(0, 0.1, 20)).tolist() for n in range(6)}
        promoted += desk.judge(gains).decision == "promote"

    assert promoted >= 25


def test_a_verdict_is_read_back_as_it_was(desk: Desk, tmp_path: Path) -> None:
    verdict = desk.judge({"a": around(0.03), "b": around(-0.02), "c": around(0.04)})
    (tmp_path / "verdict.json").write_text(verdict.to_json(), encoding="utf-8")

    assert Verdict.read(tmp_path) == verdict
    assert dataclasses.asdict(verdict)["decision"] == "not_enough_evidence"
