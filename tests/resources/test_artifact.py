"""Fingerprints and digests: what they follow from, and what they do not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.artifact import Artifact, Recipe, blake2, content_digest, engine_versions
from resources.errors import LakeError

NAMES = st.text(min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
CONFIGS = st.dictionaries(NAMES, VALUES, max_size=4)
LEAVES = st.lists(st.tuples(NAMES, NAMES), max_size=6, unique_by=lambda leaf: leaf[0])
PARENT = Artifact("words", "2026-01-05", "fp", "digest", "file:///lake/words/fp")


@given(CONFIGS)
def test_the_order_of_keys_does_not_matter(config):
    turned = dict(reversed(config.items()))
    assert Recipe("s", None, config).fingerprint == Recipe("s", None, turned).fingerprint


@given(CONFIGS, CONFIGS)
def test_two_configs_share_a_fingerprint_only_if_they_are_written_alike(one, two):
    same = Recipe("s", None, one).fingerprint == Recipe("s", None, two).fingerprint
    assert same == (repr_sorted(one) == repr_sorted(two))


def repr_sorted(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{repr_sorted(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_sorted, value)) + "]"
    return repr(value)


@given(CONFIGS)
def test_a_tuple_and_the_list_that_json_makes_of_it_are_the_same(config):
    assert blake2({"a": tuple(config)}) == blake2({"a": list(config)})


@given(LEAVES, st.randoms())
def test_the_digest_does_not_depend_on_the_order_in_which_files_are_listed(leaves, random):
    shuffled = leaves[:]
    random.shuffle(shuffled)
    assert content_digest(shuffled) == content_digest(leaves)


@given(LEAVES, LEAVES)
def test_digests_are_equal_only_for_the_same_names_with_the_same_hashes(one, two):
    assert (content_digest(one) == content_digest(two)) == (sorted(one) == sorted(two))


@given(CONFIGS, NAMES)
def test_a_derived_artifact_follows_its_parents_content_and_no_partition(config, partition):
    made = Recipe("s", "2026-01-05", config, parents=(PARENT,))
    assert replace(made, partition=partition).fingerprint == made.fingerprint
    moved = replace(PARENT, fingerprint="other", uri="s3://elsewhere", partition=partition, stats={"a": 1})
    assert replace(made, parents=(moved,)).fingerprint == made.fingerprint
    changed = replace(PARENT, digest="other")
    assert replace(made, parents=(changed,)).fingerprint != made.fingerprint
    assert replace(made, parents=()).fingerprint != made.fingerprint


def test_the_order_of_parents_matters():
    other = replace(PARENT, digest="other")
    one, two = (Recipe("s", None, {}, parents=parents) for parents in ((PARENT, other), (other, PARENT)))
    assert one.fingerprint != two.fingerprint


@given(CONFIGS)
def test_an_observed_artifact_follows_source_and_partition_alone(config):
    seen = Recipe("crawl", "2026-01-05", config, kind="observed")
    assert replace(seen, version=9, engines=("numpy",), parents=(PARENT,)).fingerprint == seen.fingerprint
    assert replace(seen, partition="2026-01-12").fingerprint != seen.fingerprint
    assert replace(seen, config={**config, "another key": 1}).fingerprint != seen.fingerprint


def test_fingerprints_stay_as_they_are_from_release_to_release():
    """A change here makes every lake in the world build everything anew."""
    assert Recipe("numbers", "2026-01-05", {"size": 3, "of": ["ü", 1.5]}, parents=(PARENT,)).fingerprint == (
        "3b9db3a6d0b719613cec58c7cfbe1495"
    )
    assert (
        Recipe("crawl", "2026-01-05", {"site": "a.test"}, kind="observed").fingerprint
        == "f9b2640c3709716a7f9e48072e233ede"
    )


def test_an_engine_that_is_not_installed_is_named():
    with pytest.raises(LakeError, match="the engine 'no-such-engine' is not installed; run `make install`"):
        engine_versions(["no-such-engine"])


def test_a_remote_artifact_has_no_path_here():
    with pytest.raises(LakeError, match=r"lies at s3://bucket/x: fetch it with Lake.local"):
        _ = replace(PARENT, uri="s3://bucket/x").path


def test_a_path_with_spaces_and_umlauts_comes_back(tmp_path):
    folder = tmp_path / "a lake with ü % and #"
    assert replace(PARENT, uri=folder.as_uri()).path == folder
