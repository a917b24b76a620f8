"""What every stage of the corpus must pass: the same bytes always, a kill that costs nothing, nothing lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assets.stage import Stage
from resources.artifact import Artifact
from resources.errors import TidemillError
from resources.lake import Lake
from tests.contract.conftest import SNAPSHOTS, TESTED, KilledError, KillingStore, World

EVERY_STAGE = pytest.mark.parametrize("stage", TESTED, ids=lambda stage: stage.name)


def bytes_of(artifact: Artifact) -> dict[str, bytes]:
    folder = artifact.path
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def files_in_place(lake: Lake, folder: str) -> dict[str, int]:
    """The files of an unfinished build, each with the time at which it was written."""
    root = Path(lake.store.key(folder))
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@EVERY_STAGE
def test_two_workers_in_another_home_give_the_same_bytes(stage: Stage, world: World, tmp_path: Path):
    snapshot = world.last(stage)
    again, was_cached = world.make(stage, snapshot, Lake(tmp_path / "lake", tmp_path), workers=2)
    assert not was_cached
    assert bytes_of(again) == bytes_of(world.known[stage.name, snapshot])


@pytest.mark.slow
@EVERY_STAGE
def test_a_build_killed_after_any_file_continues_to_the_same_bytes(stage: Stage, world: World, tmp_path: Path):
    snapshot = world.last(stage)
    whole = world.known[stage.name, snapshot]
    folder = f"{whole.stage}/{whole.fingerprint}"
    files = len(world.lake.manifest(whole)["files"])
    for killed_after in range(files):
        lake = Lake(tmp_path / f"{killed_after}", tmp_path)
        sound, lake.store = lake.store, KillingStore(lake.store.root, killed_after)
        with pytest.raises(KilledError):
            world.make(stage, snapshot, lake)
        lake.store = sound
        left = files_in_place(lake, folder)
        assert len(left) == killed_after
        assert lake.find(stage.recipe(snapshot, world.inputs(stage, snapshot))) is None, "half an artifact was found"
        resumed, was_cached = world.make(stage, snapshot, lake)
        assert not was_cached
        assert bytes_of(resumed) == bytes_of(whole)
        for name in left:
            if name.startswith("documents/"):
                assert files_in_place(lake, folder)[name] == left[name], f"{name} was finished, and made again"


@EVERY_STAGE
def test_the_accounting_closes_and_every_check_passes(stage: Stage, world: World):
    for snapshot in SNAPSHOTS:
        artifact = world.known[stage.name, snapshot]
        stats = world.lake.manifest(artifact)["stats"]
        if "entered" in stats:
            assert stats["entered"] == stats["kept"] + sum(stats["dropped"].values())
        if stage.is_documents:
            assert stats["kept"] > 0
        for name, check in stage.checks.items():
            finding = check(artifact, world.inputs(stage, snapshot))
            assert finding.passed, f"{name}: {finding.detail}"


@EVERY_STAGE
def test_a_damaged_parent_is_named_and_nothing_is_committed(stage: Stage, world: World, damaged, tmp_path: Path):
    lake = Lake(tmp_path / "lake", tmp_path)
    inputs, file = damaged(stage)
    recipe = stage.recipe(world.last(stage), inputs)
    with pytest.raises(TidemillError, match=file.name):
        lake.build(recipe, lambda build: stage.run(build, inputs))
    assert lake.find(recipe) is None


@EVERY_STAGE
def test_the_same_again_is_a_hit_and_anything_that_decides_bytes_a_miss(stage: Stage, world: World):
    snapshot = world.last(stage)
    inputs = world.inputs(stage, snapshot)
    recipe = stage.recipe(snapshot, inputs)

    def never(build):
        raise AssertionError("a committed artifact was built again")

    assert world.lake.build(recipe, never) == (world.known[stage.name, snapshot], True)
    parent = recipe.parents[0]
    assert world.lake.find(replace(stage, version=stage.version + 1).recipe(snapshot, inputs)) is None
    assert world.lake.find(replace(recipe, config={**recipe.config, "another": 1})) is None
    assert world.lake.find(replace(recipe, parents=(replace(parent, digest="0"), *recipe.parents[1:]))) is None
    assert world.lake.find(replace(recipe, engines=(*recipe.engines, "pytest"))) is None


@EVERY_STAGE
def test_what_a_stage_says_is_json(stage: Stage, world: World):
    stats = world.known[stage.name, world.last(stage)].stats
    assert json.loads(json.dumps(stats)) == stats
    assert stage.description.endswith(".")
    assert stage.version >= 1


def test_hostile_pages_reached_the_stages_and_each_has_its_fate(world: World):
    from assets.documents import read_documents, read_dropped

    folder = world.known["extracted", SNAPSHOTS[0]].path
    fates = {d.url: d.reason for d in read_dropped(folder)} | {d.url: "kept" for d in read_documents(folder)}
    odd = {url.rsplit("/", 1)[1]: fate for url, fate in fates.items() if "odd.docs.test" in url}
    assert set(odd) == {"empty", "bytes", "deep", "unclosed", "controls", "one-word"}
    assert (odd["empty"], odd["bytes"]) == ("empty", "undecodable")


def test_what_is_made_once_is_the_same_artifact_at_every_snapshot_and_nothing_else_is(world: World):
    for stage in TESTED:
        first, second = (world.known[stage.name, snapshot] for snapshot in SNAPSHOTS)
        assert (first.fingerprint == second.fingerprint) == stage.made_once
