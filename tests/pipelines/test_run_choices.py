"""`tidemill run`: which assets `--select` names, and which snapshots `--snapshot`."""

import pytest

from assets.stage import Lineage
from pipelines.cli.run import choose_snapshots, select
from resources.artifact import Artifact
from resources.errors import SpecError
from resources.journal import Journal
from resources.store import Store


def names(lineage: Lineage, selection: str | None) -> list[str]:
    return [stage.name for stage in select(lineage, selection)]


def test_without_a_selection_everything_is_made_in_order(smoke):
    assert names(smoke, None) == [stage.name for stage in smoke.stages]


def test_names_are_taken_in_the_order_of_the_data(smoke):
    assert names(smoke, "cleaned, raw_crawl") == ["raw_crawl", "cleaned"]


def test_a_plus_before_takes_all_that_it_needs(smoke):
    assert names(smoke, "+cleaned") == ["raw_crawl", "extracted", "deduped", "cleaned"]
    assert names(smoke, "+raw_crawl") == ["raw_crawl"]


def test_a_plus_after_takes_all_that_it_feeds(smoke):
    assert names(smoke, "eval_report+") == ["eval_report", "promotion"]
    assert set(names(smoke, "+cleaned+")) == {stage.name for stage in smoke.stages}


def test_selections_add_up(smoke):
    assert names(smoke, "promotion,+extracted") == ["raw_crawl", "extracted", "promotion"]


@pytest.mark.parametrize("selection", ["cleansed", "cleaned,", "", "+"])
def test_what_is_no_asset_is_refused_with_those_that_are(smoke, selection):
    with pytest.raises(SpecError, match=r"there is no such asset; there are raw_crawl, extracted, .*promotion"):
        select(smoke, selection)


@pytest.fixture
def journal(tmp_path, smoke) -> Journal:
    return Journal(Store(tmp_path), smoke.model)


def test_all_a_date_and_next_name_snapshots(smoke, journal):
    assert choose_snapshots(smoke, "all", journal) == ("2026-01-05", "2026-01-12")
    assert choose_snapshots(smoke, "2026-01-12", journal) == ["2026-01-12"]
    assert choose_snapshots(smoke, "next", journal) == ["2026-01-05"]
    judge(journal, "2026-01-05")
    assert choose_snapshots(smoke, "next", journal) == ["2026-01-12"]


def test_after_the_last_snapshot_there_is_no_next(smoke, journal):
    judge(journal, "2026-01-12")
    with pytest.raises(SpecError, match="none comes after 2026-01-12; list another date"):
        choose_snapshots(smoke, "next", journal)


def test_a_date_that_is_no_snapshot_is_refused_with_those_that_are(smoke, journal):
    with pytest.raises(SpecError, match="--snapshot 2026-01-06: the calendar has 2026-01-05, 2026-01-12"):
        choose_snapshots(smoke, "2026-01-06", journal)


def judge(journal: Journal, snapshot: str) -> None:
    candidate, verdict = (Artifact(name, snapshot, f"{name} {snapshot}", "", "") for name in ("model", "verdict"))
    journal.decide("kept", candidate, verdict, "")
