"""Which spec and which place a process speaks of: said, passed on by variables, or remembered by the home."""

import os
from dataclasses import replace

import pytest

from pipelines.settings import REMEMBERED, Settings, settings_of_process, settle
from pipelines.site import Site
from resources.errors import SpecError


def test_a_home_remembers_profile_and_file_of_its_last_run_and_no_single_assignment(tmp_path, write):
    file = write("mine.yaml", "dedup:\n  seed: 3\n")
    said = settle("smoke", file, ["crawl.shards=3"], tmp_path / "home")
    said.remember(tmp_path / "home")
    assert settle(None, None, [], tmp_path / "home") == replace(said, set=())
    assert settle(None, None, ["crawl.shards=4"], tmp_path / "home").load().spec.crawl.shards == 4
    assert settle("demo", None, [], tmp_path / "home") == Settings("demo", None, ())
    assert [path.name for path in (tmp_path / "home").iterdir()] == [REMEMBERED]


def test_a_kill_while_remembering_leaves_what_was_remembered(tmp_path, monkeypatch):
    Settings("smoke", None, ()).remember(tmp_path)

    def dies(handle: int) -> None:
        os.ftruncate(handle, 5)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(KeyboardInterrupt):
        Settings("demo", None, ()).remember(tmp_path)
    assert settle(None, None, [], tmp_path).profile == "smoke"


def test_a_new_home_speaks_of_the_demo(tmp_path):
    assert settle(None, None, [], tmp_path) == Settings("demo", None, ())


def test_paths_are_remembered_from_the_root(tmp_path, monkeypatch, write):
    write("mine.yaml", "extends: smoke\n")
    monkeypatch.chdir(tmp_path)
    assert settle("mine.yaml", "mine.yaml", [], tmp_path) == Settings(
        str(tmp_path / "mine.yaml"), str(tmp_path / "mine.yaml"), ()
    )


def test_settings_and_site_reach_another_process_by_variables(tmp_path, write):
    file = write("mine.yaml", "dedup:\n  seed: 3\n")
    said = settle("smoke", file, ["crawl.shards=3", "tokenizer.vocab_size=512"], tmp_path)
    site = Site.resolve(str(tmp_path / "home"), 2, {})
    variables = {**said.variables(), **site.variables()}
    spec = settings_of_process(variables).spec
    assert (spec.profile, spec.dedup.seed, spec.crawl.shards, spec.tokenizer.vocab_size) == ("smoke", 3, 3, 512)
    assert Site.resolve(environment=variables) == site


def test_what_is_not_said_is_settled_by_variables_then_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = Site.resolve(environment={})
    assert plain == Site(tmp_path / ".tidemill", str(tmp_path / ".tidemill" / "lake"), os.cpu_count() or 1)
    said = {"TIDEMILL_HOME": str(tmp_path / "h"), "TIDEMILL_LAKE": "s3://bucket/lake", "TIDEMILL_WORKERS": "3"}
    assert Site.resolve(environment=said) == Site(tmp_path / "h", "s3://bucket/lake", 3)
    assert Site.resolve(str(tmp_path / "other"), 5, said) == Site(tmp_path / "other", "s3://bucket/lake", 5)


@pytest.mark.parametrize(
    ("workers", "said"),
    [(None, "many"), (None, "0"), (0, "2"), (-1, None)],
    ids=["no number", "zero", "none", "negative"],
)
def test_a_number_of_workers_that_is_none_is_refused(workers, said):
    with pytest.raises(SpecError, match=r"workers|WORKERS"):
        Site.resolve(None, workers, {"TIDEMILL_WORKERS": said} if said else {})


def test_each_models_requests_lie_apart(tmp_path):
    site = Site.resolve(str(tmp_path), 1, {})
    assert site.requests("a") != site.requests("b")
