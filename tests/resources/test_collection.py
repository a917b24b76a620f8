"""Collection: what a root needs stays, and what nothing needs goes."""

import os

import pytest

from resources.collection import pin, plan_collection, remove_artifacts, unpin
from resources.errors import LakeError
from resources.journal import Journal
from resources.lease import lease


def gone(lake, *states, keep_last=0):
    return {artifact.fingerprint for artifact in plan_collection(lake, states, keep_last=keep_last)[0]}


@pytest.fixture
def journal(lake):
    return Journal(lake.store, "tidemill-test")


def test_without_roots_everything_derived_goes_and_what_was_seen_stays(lake, commit):
    seen = commit("crawl", kind="observed")
    made = commit("words", seen)
    assert plan_collection(lake, [], keep_last=0) == ([made], [seen])


def test_champion_challenger_and_the_one_before_keep_all_that_they_were_made_from(lake, commit, journal):
    shards = [commit("token_shards", n=n) for n in range(5)]
    models = [commit("checkpoint", shard, n=n) for n, shard in enumerate(shards)]
    verdicts = [commit("promotion", model, n=n) for n, model in enumerate(models)]
    for n, kind in enumerate(("promoted", "promoted", "promoted", "kept")):
        journal.decide(kind, models[n], verdicts[n], "")
    needed = {model.fingerprint for model in models[1:4]} | {shard.fingerprint for shard in shards[1:4]}
    everything = {artifact.fingerprint for artifact in lake.artifacts()}
    assert gone(lake, journal.read()) == everything - needed


def test_the_last_of_each_stage_and_snapshot_stay(lake, commit):
    made = {}
    for number, snapshot in ((0, "2026-01-05"), (1, "2026-01-05"), (2, "2026-01-05"), (3, "2026-01-12")):
        made[number] = commit("words", partition=snapshot, n=number)
        manifest = made[number].path / "manifest.json"
        os.utime(manifest, (1000 + number, 1000 + number))
    assert gone(lake, keep_last=1) == {made[0].fingerprint, made[1].fingerprint}
    assert gone(lake, keep_last=2) == {made[0].fingerprint}
    assert gone(lake, keep_last=3) == set()


def test_a_pin_is_a_root_until_it_is_taken_out(lake, commit):
    parent = commit("words")
    child = commit("numbers", parent)
    pin(lake, child.fingerprint)
    pin(lake, child.fingerprint)
    assert gone(lake) == set()
    unpin(lake, child.fingerprint)
    unpin(lake, child.fingerprint)
    assert gone(lake) == {parent.fingerprint, child.fingerprint}


@pytest.mark.parametrize("word", ["..", ".", "", "../words", "abc/def"])
def test_a_pin_that_is_no_fingerprint_is_refused_and_nothing_goes(lake, commit, word):
    made = commit("words")
    for change in (pin, unpin):
        with pytest.raises(LakeError, match="is no fingerprint"):
            change(lake, word)
    assert lake.get(made.fingerprint) == made


def test_what_is_removed_is_gone_and_the_rest_is_whole(lake, commit):
    kept, dropped = commit("words", n=1), commit("words", n=2)
    pin(lake, kept.fingerprint)
    remove_artifacts(lake, plan_collection(lake, [], keep_last=0)[0])
    assert not dropped.path.exists()
    assert list(lake.verify()) == [kept]


def test_nothing_is_removed_while_something_is_built(lake, commit):
    artifact = commit("words")
    with (
        lease(lake.store, ".leases/other", finished=lambda: False),
        pytest.raises(LakeError, match=r"under way \(other\)"),
    ):
        remove_artifacts(lake, [artifact])
    remove_artifacts(lake, [artifact])
    assert not list((lake.home / "trusted").iterdir()), "nor is it remembered that it was whole"


def test_a_removal_that_was_killed_leaves_no_artifact(lake, commit, monkeypatch):
    artifact = commit("words")
    remove = lake.store.remove

    def dies_after_the_first(name):
        remove(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(lake.store, "remove", dies_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        remove_artifacts(lake, [artifact])
    assert lake.get(artifact.fingerprint) is None


def test_a_parent_that_is_gone_already_is_no_obstacle(lake, commit):
    parent = commit("words")
    child = commit("numbers", parent)
    remove_artifacts(lake, [parent])
    pin(lake, child.fingerprint)
    assert gone(lake) == set()
