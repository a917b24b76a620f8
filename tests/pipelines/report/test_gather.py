"""What the report reads from a home."""

from pathlib import Path

import pytest

from resources.errors import InputError
from resources.tracking import seconds_by_fingerprint

DATE = "2026-01-05"


def test_the_funnel_has_every_stage_in_order_with_its_reasons(home):
    funnel = home.story().funnel
    assert [count.stage for count in funnel] == ["raw_crawl", "extracted", "deduped"]
    assert all(count.stats["entered"] == count.stats["kept"] + sum(count.stats["dropped"].values()) for count in funnel)
    assert funnel[0].stats["dropped"] == {"http_404": 1, "robots": 3}


def test_a_dropped_page_is_shown_with_the_text_that_the_stage_saw_beside_a_kept_one(home):
    (example,) = home.story().examples
    assert (example.stage, example.reason) == ("deduped", "near_duplicate")
    assert example.dropped.text.startswith("The tide comes in twice a day.")
    assert example.kept is not None
    assert example.kept.title == "Tides"


def test_personal_data_that_was_not_masked_yet_is_masked_in_examples(home):
    (example,) = home.story().examples
    assert "<EMAIL>" in example.dropped.text
    assert "reach.me" not in example.dropped.text


def test_the_champions_figures_come_from_the_last_report_that_has_it(home):
    found = home.story().champions_figures()
    assert found is not None
    name, report = found
    assert report.models[name].overall.bits_per_byte == 2.5


def test_drift_reports_about_the_models_versions_are_told(home):
    ((window, report),) = home.story().drifts
    assert (window, report.alarm) == ("2026-01-06T00", True)


def test_seconds_come_from_finished_runs_and_bytes_from_manifests(home):
    costs = {cost.stage: cost for cost in home.story().costs}
    assert costs["pretrained_checkpoint"].seconds == 75.0
    assert costs["extracted"].seconds is None
    assert costs["extracted"].size_bytes > 0


def test_a_home_without_a_run_store_has_no_seconds(tmp_path):
    assert seconds_by_fingerprint(tmp_path / "mlflow.db") == {}


def test_a_run_store_that_is_none_is_named(tmp_path: Path):
    (tmp_path / "mlflow.db").write_bytes(b"tide " * 400)
    with pytest.raises(InputError, match=r"mlflow\.db cannot be read .* delete it"):
        seconds_by_fingerprint(tmp_path / "mlflow.db")


def test_a_sample_that_cannot_be_read_is_named_with_its_line(home):
    path = home.known["eval_report", DATE].path / "samples.jsonl"
    path.write_text(path.read_text() + '{"model": 1}\n')
    with pytest.raises(InputError, match=r"samples\.jsonl, line 2"):
        home.story()


def test_a_sample_may_hold_any_character(home):
    path = home.known["eval_report", DATE].path / "samples.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("turns", "turns\u2028on\x85and on"), encoding="utf-8")
    (evaluation,) = home.story().evaluations
    assert evaluation.samples[0]["truth"] == "turns\u2028on\x85and on"
