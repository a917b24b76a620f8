"""The spec: every layer has its say, every mistake is named with its field, place and nearest right name."""

import re

import pytest

from assets.config import field_descriptions
from pipelines.layers import PROFILES
from pipelines.spec import Spec, every_field, load
from resources.errors import SpecError


def refused(*assignments: str, file: str | None = None, **environment: str) -> str:
    with pytest.raises(SpecError) as caught:
        load("smoke", assignments, file=file, environment=environment)
    return str(caught.value)


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_shipped_profile_is_a_valid_spec_named_after_itself(profile):
    spec = load(profile, environment={}).spec
    assert spec.profile == profile
    assert spec.model_name == f"tidemill-{profile}"


def test_profile_file_environment_and_set_are_laid_over_each_other_in_this_order(write):
    file = write("mine.yaml", "dedup:\n  seed: 2\ncrawl:\n  shards: 5\npretrain:\n  continued_steps: 7\n")
    environment = {"TIDEMILL_SPEC__crawl__shards": "6", "TIDEMILL_SPEC__pretrain__continued_steps": "8"}
    loaded = load("smoke", ["pretrain.continued_steps=9"], file=file, environment=environment)
    spec, source = loaded.spec, loaded.settings.source
    assert spec.tokenizer.vocab_size == 1024
    assert (spec.crawl.shards, spec.pretrain.continued_steps) == (6, 9)
    assert source(("crawl", "shards")) == "$TIDEMILL_SPEC__crawl__shards"
    assert source(("pretrain", "continued_steps")) == "--set pretrain.continued_steps"
    assert re.fullmatch(r"smoke.yaml:\d+", source(("tokenizer", "vocab_size")))
    assert source(("pretrain", "train", "weight_decay")) == "defaults"


def test_an_unknown_key_is_named_with_file_line_and_the_nearest_right_name(write):
    file = write("mine.yaml", "# mine\npretrain:\n  train:\n    step: 5\n")
    said = refused(file=file)
    assert said == "mine.yaml:4: pretrain.train.step: there is no such field; did you mean 'steps'?"


@pytest.mark.parametrize(
    ("assignment", "near"),
    [
        ("crwl.shards=2", "crawl"),
        ("dedup.sed=1", "seed"),
        ("pretrain.model.hiden_size=64", "hidden_size"),
        ("crawl.source.web.max_pages_per_hosts=3", "max_pages_per_host"),
        ("quality.split.held_out_host=[a]", "held_out_hosts"),
        ("calendar.snapshot=[]", "snapshots"),
    ],
)
def test_the_nearest_right_name_is_found_at_every_depth(assignment, near):
    assert refused(assignment).splitlines()[0].endswith(f"did you mean {near!r}?")


@pytest.mark.parametrize("training", ["pretrain", "finetune"])
def test_several_processes_inside_the_stage_are_refused(training):
    said = refused(f"{training}.launch=in_process", f"{training}.processes=2")
    assert said.endswith("launch: in_process has one process; use launch: process for several")


def test_every_mistake_is_told_at_once():
    said = refused("dedup.sed=1", "pretrain.train.steps=many").splitlines()
    assert len(said) == 2
    assert said[0].startswith("--set dedup.sed: dedup.sed: there is no such field")
    assert said[1].startswith("--set pretrain.train.steps: pretrain.train.steps: Input should be a valid integer")


def test_a_wrong_type_is_named_with_the_variable_that_set_it():
    said = refused(TIDEMILL_SPEC__crawl__shards="several")
    assert said.startswith("$TIDEMILL_SPEC__crawl__shards: crawl.shards: Input should be a valid integer")


def test_a_value_where_a_part_belongs_is_refused():
    assert refused("calendar=5").startswith("--set calendar: calendar: Input should be a valid dictionary")


def test_an_impossible_combination_says_which_fields_do_not_go_together():
    assert re.fullmatch(
        r"smoke.yaml:\d+: pretrain.model.hidden_size: ModelConfig.hidden_size is 64; .*heads=3.*",
        refused("pretrain.model.heads=3"),
    )
    assert "exclusions belong to an open calendar" in refused("calendar.exclusions=[2026-01-19]")
    told = refused("finetune.train.length=512")
    assert (
        told == "--set finetune.train.length: finetune.train.length: 512 is more than pretrain.model.max_positions 256"
    )
    assert "crawl.source.editions: the snapshot 2026-01-19" in refused("calendar.snapshots=[2026-01-05, 2026-01-19]")
    assert "evaluate.candidate" in refused("evaluate.candidate=quantized")  # nothing can be trained on from integers


def test_another_source_takes_nothing_of_the_profiles_own():
    spec = load("smoke", ["crawl.source.kind=jsonl", "crawl.source.paths=[pages/*.jsonl]"], environment={}).spec
    assert spec.crawl.source.paths == ("pages/*.jsonl",)


def test_a_field_of_another_kind_is_told_the_names_of_its_own_kind(write):
    file = write("mine.yaml", "crawl:\n  source:\n    kind: jsonl\n    paths: [a]\n    edition: 1\n")
    said = refused(file=file)
    assert said.startswith("mine.yaml:5: crawl.source.edition: there is no such field; did you mean ")
    assert re.search(r"'(paths|columns|kind)'\?$", said)


def test_an_unknown_kind_is_told_the_nearest():
    said = refused("crawl.source.kind=jsnl")
    assert said.startswith("--set crawl.source.kind: crawl.source.kind: there is no kind 'jsnl', only loopback, site,")
    assert said.endswith("did you mean 'jsonl'?")


def test_a_name_that_cannot_be_part_of_a_path_is_no_profile():
    assert refused("profile=a/b").startswith("--set profile: profile: ")


def test_a_file_of_ones_own_is_a_profile_named_after_the_file(write):
    spec = load(write("my-corpus.yaml", "extends: smoke\n"), environment={}).spec
    assert spec.profile == "my_corpus"


@pytest.mark.parametrize("owner", sorted({o for _, o in every_field(Spec)}, key=lambda o: o.__qualname__))
def test_every_field_of_every_part_says_what_it_is_in_one_sentence(owner):
    described = field_descriptions(owner)
    for name in [name for name, belongs in every_field(Spec) if belongs is owner]:
        text = described.get(name, "")
        assert text.endswith("."), f"{owner.__name__}.{name}: {text!r}"
        assert "TODO" not in text


def test_a_spec_cannot_be_changed_after_it_was_read():
    spec = load("smoke", environment={}).spec
    with pytest.raises(ValueError, match="frozen"):
        spec.profile = "other"


def test_the_same_settings_give_the_same_key_wherever_they_stand(write, smoke):
    from pipelines.lineage import lineage_of

    file = write("smoke.yaml", "extends: smoke\nprofile: smoke\ndedup: {}\n")
    other = lineage_of(load(file, environment={}).spec)
    for stage, same in zip(smoke.stages, other.stages, strict=True):
        assert stage.config_key(stage.config) == same.config_key(same.config), stage.name


def test_how_politely_a_page_was_fetched_does_not_name_a_crawl(smoke):
    from pipelines.lineage import lineage_of

    slow = lineage_of(load("smoke", ["crawl.delay_s=9"], environment={}).spec).stage("raw_crawl")
    more = lineage_of(load("smoke", ["crawl.shards=9"], environment={}).spec).stage("raw_crawl")
    crawl = smoke.stage("raw_crawl")
    assert slow.config_key(slow.config) == crawl.config_key(crawl.config) != more.config_key(more.config)


def test_a_date_more_in_the_calendar_leaves_the_crawls_before_as_they_were(smoke):
    from pipelines.lineage import lineage_of

    dates = ["2026-01-05", "2026-01-12", "2026-01-19"]
    editions = ", ".join(f"'{date}': {number}" for number, date in enumerate(dates, start=1))
    longer = [f"calendar.snapshots=[{', '.join(dates)}]", f"crawl.source.editions={{{editions}}}"]
    longer.append("crawl.source.web.packages=[['stdlib:json', httpx], [click], [Jinja2]]")
    same = longer[-1:]
    crawls = [lineage_of(load("smoke", given, environment={}).spec).stage("raw_crawl") for given in (longer, same)]
    keys = [crawl.config_key(crawl.config) for crawl in crawls]
    assert keys[0] == keys[1]
    allowed = lineage_of(load("smoke", [*same, "crawl.allow_addresses=[10.0.0.0/8]"], environment={}).spec)
    assert allowed.stage("raw_crawl").config_key(allowed.stage("raw_crawl").config) != keys[0]
