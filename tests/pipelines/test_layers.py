"""Settings in layers: which value wins, and where each came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.layers import PROFILES, Settings, read_assignments, read_environment, read_profile
from resources.errors import SpecError

NAMES = st.sampled_from("abc")
MAPS = st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
VALUES = st.dictionaries(NAMES, MAPS, max_size=3)


def leaves(values: dict, path: tuple = ()):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


@given(VALUES, VALUES)
def test_everything_above_wins_and_nothing_below_is_lost_but_what_it_covers(below, above):
    merged = dict(leaves(Settings(above).over(Settings(below)).values))
    for path, value in leaves(above):
        assert merged.get(path, {}) == value or value == {}
    covered = {path for path, _ in leaves(above)}
    for path, value in leaves(below):
        if not any(path[: len(c)] == c or c[: len(path)] == path for c in covered):
            assert merged[path] == value


def test_maps_merge_and_lists_are_replaced(write):
    base = write("base.yaml", "part:\n  kept: 1\n  list: [1, 2, 3]\n")
    top = write("top.yaml", "extends: base.yaml\npart:\n  list: [4]\n")
    settings = read_profile(top)
    assert settings.values == {"part": {"kept": 1, "list": [4]}}
    assert settings.origin(("part", "kept")) == "base.yaml:2"
    assert settings.origin(("part", "list")) == "top.yaml:3"
    assert settings.origin(("part", "list", "0")) == "top.yaml:3"
    assert base


def test_another_kind_of_thing_takes_no_settings_of_the_kind_below():
    below = Settings({"source": {"kind": "loopback", "web": {"packages": []}, "shared": 1}})
    same = Settings({"source": {"kind": "loopback", "shared": 2}}).over(below)
    other = Settings({"source": {"kind": "jsonl", "paths": ["a"]}}).over(below)
    silent = Settings({"source": {"shared": 3}}).over(below)
    assert same.values["source"] == {"kind": "loopback", "web": {"packages": []}, "shared": 2}
    assert other.values["source"] == {"kind": "jsonl", "paths": ["a"]}
    assert silent.values["source"]["kind"] == "loopback"


def test_a_profile_extends_through_several_files_and_a_named_profile(write):
    write("middle.yaml", "extends: smoke\ncrawl:\n  shards: 3\n")
    values = read_profile(write("top.yaml", "extends: middle.yaml\ncrawl:\n  delay_s: 0.5\n")).values
    assert (values["crawl"]["shards"], values["crawl"]["delay_s"]) == (3, 0.5)
    assert values["calendar"]["snapshots"] == ["2026-01-05", "2026-01-12"]
    assert "extends" not in values


@pytest.mark.parametrize("circle", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}])
def test_profiles_that_extend_each_other_in_a_circle_are_refused(write, circle):
    paths = [write(f"{name}.yaml", f"extends: {base}.yaml\n") for name, base in circle.items()]
    with pytest.raises(SpecError, match=r"extends itself, by way of .*; take one `extends` out"):
        read_profile(paths[0])


def test_an_unknown_profile_is_told_which_there_are():
    with pytest.raises(SpecError, match="there is no profile 'smok': use demo, gpu, smoke, or the path of a YAML file"):
        read_profile("smok")


@pytest.mark.parametrize(
    ("text", "complaint"), [("a: [", "is not YAML"), ("", "is empty or not a map"), ("- a\n", "is empty or not a map")]
)
def test_a_file_that_holds_no_settings_is_named(write, text, complaint):
    with pytest.raises(SpecError, match=rf"wrong.yaml {complaint}"):
        read_profile(write("wrong.yaml", text))


def test_dates_stay_text_and_exponents_are_numbers(write):
    values = read_profile(write("a.yaml", "date: 2026-01-05\nrate: 1e-3\nother: -2.5E+2\nversion: 1e\n")).values
    assert values == {"date": "2026-01-05", "rate": 0.001, "other": -250.0, "version": "1e"}


def test_variables_are_settings_by_their_path():
    settings = read_environment({"TIDEMILL_SPEC__crawl__delay_s": "0.5", "TIDEMILL_HOME": "/x", "PATH": "/bin"})
    assert settings.values == {"crawl": {"delay_s": 0.5}}
    assert settings.origin(("crawl", "delay_s")) == "$TIDEMILL_SPEC__crawl__delay_s"


def test_assignments_are_yaml_and_the_last_one_wins():
    settings = read_assignments(["a.b=1", "a.c=[x, 2]", "a.b=off", "d="])
    assert settings.values == {"a": {"b": False, "c": ["x", 2]}, "d": None}
    assert settings.origin(("a", "c")) == "--set a.c"


@pytest.mark.parametrize("assignment", ["a.b", "=1", ""])
def test_an_assignment_without_a_field_or_a_value_is_refused(assignment):
    with pytest.raises(SpecError, match=r"write it as --set part.field=value"):
        read_assignments([assignment])


def test_a_value_that_is_no_yaml_is_refused_with_where_it_stands():
    with pytest.raises(SpecError, match=r"--set a.b: '\[1' is not a YAML value"):
        read_assignments(["a.b=[1"])


def test_a_value_that_no_layer_sets_comes_from_the_defaults():
    settings = read_assignments(["a.b=1"])
    assert settings.source(("a", "b")) == "--set a.b"
    assert settings.source(("a", "c")) == settings.source(("d",)) == "defaults"
    assert settings.origin(("a", "b", "deeper")) == "--set a.b", "the nearest thing around, for errors"
    assert settings.origin(("a",)) == "--set a.b", "what is in it, where it was not set itself"


def test_every_shipped_profile_can_be_read():
    for profile in PROFILES.glob("*.yaml"):
        assert read_profile(profile.stem).values


def test_an_unknown_profile_to_extend_is_told_which_there_are(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: dmo\n")
    with pytest.raises(SpecError, match="there is no profile 'dmo': use demo, gpu, smoke"):
        read_profile(str(tmp_path / "mine.yaml"))
