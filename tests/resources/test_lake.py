"""The lake: what is committed is found and trusted, what is not whole is never read."""

import json
from pathlib import Path

import pytest

from resources.artifact import Recipe
from resources.build import Build, Outcome, Progress
from resources.errors import LakeError
from resources.lake import Damage, Lake
from tests.resources.conftest import Counter, recipe


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_was_built_is_found_and_not_built_again(lake):
    first, was_cached = lake.build(recipe(), Counter())
    assert not was_cached
    again = Counter()
    assert lake.build(recipe(), again) == (first, True)
    assert again.made == []
    assert Lake(lake.store.root, lake.home).find(recipe()) == first


def test_another_config_parent_version_or_engine_is_another_artifact(lake):
    parent, _ = lake.build(recipe("words"), Counter(1))
    asked = recipe(size=1)
    lake.build(asked, Counter())
    others = [
        recipe(size=2),
        recipe("numbers", parent, size=1),
        Recipe("numbers", None, {"size": 1}, version=2),
        Recipe("numbers", None, {"size": 1}, engines=("numpy",)),
    ]
    assert [lake.find(other) for other in others] == [None] * 4


def test_the_same_work_at_another_snapshot_is_the_same_artifact_under_that_date(lake):
    first, _ = lake.build(recipe(partition="2026-01-05"), Counter())
    second, was_cached = lake.build(recipe(partition="2026-01-12"), Counter())
    assert was_cached
    assert (second.fingerprint, second.partition) == (first.fingerprint, "2026-01-12")


def test_a_parent_that_changed_its_name_but_not_its_bytes_rebuilds_nothing(lake):
    one, _ = lake.build(recipe("words", version="one"), Counter())
    two, _ = lake.build(recipe("words", version="two"), Counter())
    assert one.fingerprint != two.fingerprint
    assert one.digest == two.digest
    lake.build(recipe("numbers", one), Counter())
    assert lake.find(recipe("numbers", two)) is not None


def test_an_observed_artifact_stays_what_was_seen_whatever_code_looks(lake):
    def look(build: Build) -> Outcome:
        build.write("seen", "this")
        return Outcome({}, digest="what was fetched")

    asked = Recipe("crawl", "2026-01-05", {"site": "a.test"}, kind="observed", version=1)
    seen, _ = lake.build(asked, look)
    assert seen.digest == "what was fetched"
    newer = Recipe("crawl", "2026-01-05", {"site": "a.test"}, kind="observed", version=2, engines=("numpy",))
    assert lake.build(newer, Counter()) == (seen, True)
    assert lake.find(Recipe("crawl", "2026-01-12", {"site": "a.test"}, kind="observed")) is None


def test_the_manifest_tells_what_was_made_from_what(lake):
    parent, _ = lake.build(recipe("words"), Counter(1))
    artifact, _ = lake.build(recipe("numbers", parent, size=3), Counter(2))
    manifest = lake.manifest(artifact)
    assert manifest["config"] == {"size": 3}
    assert manifest["parents"] == [
        {"stage": "words", "partition": "2026-01-05", "fingerprint": parent.fingerprint, "digest": parent.digest}
    ]
    assert [(file["name"], file["size"]) for file in manifest["files"]] == [("0.txt", 9), ("1.txt", 9)]
    assert artifact.parents == (parent.fingerprint,)


def test_manifests_of_two_homes_are_the_same_bytes(lake, tmp_path):
    other = Lake(tmp_path / "other", tmp_path / "other-home")
    first, second = (each.build(recipe(), Counter(), workers=n)[0] for n, each in ((1, lake), (2, other)))
    assert files_of(first.path) == files_of(second.path)


def test_a_stopped_build_leaves_no_artifact_and_the_next_one_continues_it(lake):
    for stop in range(3):
        with pytest.raises(KeyboardInterrupt):
            lake.build(recipe(), Counter(stop=stop))
        assert lake.find(recipe()) is None
        assert list(lake.artifacts()) == []
    last = Counter()
    artifact, was_cached = lake.build(recipe(), last)
    assert not was_cached
    assert last.made == [2]
    assert artifact.digest == lake.build(recipe("other"), Counter())[0].digest


def test_a_file_that_was_not_finished_is_not_in_place_and_goes_at_the_next_attempt(lake):
    def dies_within_a_file(build: Build) -> Outcome:
        with build.file("a.txt") as path:
            path.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lake.build(recipe(), dies_within_a_file)
    assert lake.store.names("numbers") == []


def test_scratch_survives_a_stop_and_goes_at_commit(lake):
    scratch = []

    def run(build: Build) -> Outcome:
        scratch.append(build.scratch)
        if len(scratch) == 1:
            (build.scratch / "checkpoint").write_text("step 5")
            raise KeyboardInterrupt
        assert (build.scratch / "checkpoint").read_text() == "step 5"
        return Outcome({})

    with pytest.raises(KeyboardInterrupt):
        lake.build(recipe(), run)
    lake.build(recipe(), run)
    assert not scratch[1].exists()


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [altered, shortened, Path.unlink])
@pytest.mark.parametrize("ask", ["find", "get"])
def test_a_damaged_artifact_is_named_set_aside_and_rebuilt(lake, caplog, damage, ask):
    artifact, _ = lake.build(recipe(), Counter())
    damage(artifact.path / "1.txt")
    found = lake.find(recipe()) if ask == "find" else lake.get(artifact.fingerprint)
    assert found is None
    assert f"numbers/{artifact.fingerprint}/1.txt" in caplog.text
    assert "set aside" in caplog.text
    assert not artifact.path.exists()
    assert [p.name for p in Path(lake.store.key("aside")).iterdir()] == [f"numbers-{artifact.fingerprint}-0"]
    again = Counter()
    assert lake.build(recipe(), again) == (artifact, False)
    assert again.made == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"words"', '{"stage": "numbers"}', '{"parents": 3}'])
def test_a_manifest_that_is_none_is_named_and_set_aside(lake, caplog, text):
    artifact, _ = lake.build(recipe(), Counter())
    (artifact.path / "manifest.json").write_text(text)
    assert lake.find(recipe()) is None
    assert "manifest.json: it is no manifest" in caplog.text
    assert lake.build(recipe(), Counter()) == (artifact, False)


def test_an_altered_manifest_is_no_manifest(lake, caplog):
    artifact, _ = lake.build(recipe(), Counter())
    path = artifact.path / "manifest.json"
    path.write_text(path.read_text().replace(artifact.digest, "0" * 32))
    assert [entry.file for entry in lake.verify()] == ["manifest.json"]
    assert lake.find(recipe()) is None
    assert "it was altered after it was written" in caplog.text


def test_damage_twice_over_is_set_aside_twice_over(lake):
    for _ in range(2):
        artifact, was_cached = lake.build(recipe(), Counter())
        assert not was_cached
        altered(artifact.path / "0.txt")
    lake.find(recipe())
    assert len(list(Path(lake.store.key("aside")).iterdir())) == 2


def test_files_are_hashed_again_only_when_they_look_different(lake, monkeypatch):
    artifact, _ = lake.build(recipe(), Counter())
    monkeypatch.setattr(lake.store, "sha256", lambda name: pytest.fail(f"{name} was hashed again"))
    assert lake.find(recipe()) == artifact
    monkeypatch.undo()
    path = artifact.path / "0.txt"
    path.write_bytes(path.read_bytes())  # as it was, at another time
    assert lake.find(recipe()) == artifact


def test_verify_hashes_everything_and_names_each_damaged_file(lake):
    kept, _ = lake.build(recipe("a"), Counter())
    hurt, _ = lake.build(recipe("b"), Counter())
    altered(hurt.path / "0.txt")
    (hurt.path / "2.txt").unlink()
    found = list(lake.verify())
    assert [entry for entry in found if not isinstance(entry, Damage)] == [kept, hurt]
    damage = [(entry.file, entry.reason) for entry in found if isinstance(entry, Damage)]
    assert damage == [("0.txt", "its bytes differ from the manifest"), ("2.txt", "it is missing")]


def test_verify_names_a_manifest_that_is_none(lake):
    artifact, _ = lake.build(recipe(), Counter())
    (artifact.path / "manifest.json").write_text("{")
    (damage,) = lake.verify()
    assert (damage.file, damage.artifact.folder) == ("manifest.json", artifact.folder)


def test_what_another_process_set_aside_and_builds_again_is_left_to_it(lake):
    artifact, _ = lake.build(recipe(), Counter())
    damage = [Damage(artifact, "0.txt", "it is missing")]
    lake.set_aside(artifact, damage)
    with pytest.raises(KeyboardInterrupt):
        lake.build(recipe(), Counter(stop=1))
    lake.set_aside(artifact, damage)
    assert lake.store.names(artifact.folder) == ["0.txt"]


def test_verify_sees_a_change_that_kept_size_and_time(lake):
    import os

    artifact, _ = lake.build(recipe(), Counter())
    path = artifact.path / "0.txt"
    before = path.stat()
    altered(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [entry.file for entry in lake.verify() if isinstance(entry, Damage)] == ["0.txt"]
    assert lake.build(recipe(), Counter()) == (artifact, False), "and the next run mends it"


@pytest.mark.parametrize("stamp", [b"", b"{"])
def test_a_stamp_that_a_power_cut_left_empty_is_made_again(lake, stamp):
    artifact, _ = lake.build(recipe(), Counter())
    (path,) = (lake.home / "trusted").iterdir()
    path.write_bytes(stamp)
    assert lake.find(recipe()) == artifact
    assert path.read_bytes() != stamp


def test_a_folder_without_a_manifest_is_nothing(lake):
    folder = Path(lake.store.key("numbers/0123"))
    folder.mkdir(parents=True)
    (folder / "0.txt").write_text("number 0\n")
    assert lake.get("0123") is None
    assert list(lake.artifacts()) == []


def test_the_lakes_own_folders_are_no_stages(lake, commit):
    artifact = commit("words")
    altered(artifact.path / "words")
    lake.find(recipe("words"))
    lake.get(artifact.fingerprint)
    lake.store.create("journal/model/000000.json", b"{}")
    lake.store.create(f"pins/{artifact.fingerprint}", b"")
    commit("numbers")
    assert set(lake.stages()) <= {"numbers", "words"}


def test_an_artifact_whose_manifest_is_gone_says_what_to_do(lake):
    artifact, _ = lake.build(recipe(), Counter())
    (artifact.path / "manifest.json").unlink()
    with pytest.raises(LakeError, match=r"no manifest any more; `tidemill run` rebuilds it"):
        lake.manifest(artifact)


def test_an_error_of_the_stage_frees_the_lease(lake):
    def fails(build: Build) -> Outcome:
        raise LakeError("the disk is full")

    with pytest.raises(LakeError, match="full"):
        lake.build(recipe(), fails)
    assert lake.store.names(".leases") == []
    assert lake.build(recipe(), Counter())[1] is False


def test_progress_reaches_who_asked_and_workers_do_not_carry_it(lake):
    import pickle

    told: list[Progress] = []

    def run(build: Build) -> Outcome:
        build.report(Progress("count", 1, 2, "files"))
        pickle.loads(pickle.dumps(build)).report(Progress("unheard", 2, 2, "files"))
        return Outcome({})

    lake.build(recipe(), run, report=told.append)
    assert [progress.label for progress in told] == ["count"]


def test_what_the_environment_holds_is_in_no_committed_byte(lake, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-open-4711")
    monkeypatch.setenv("TIDEMILL_TOKEN", "sesame-open-4711")
    lake.build(recipe(size=1), Counter())
    written = [path.read_bytes() for path in Path(lake.store.root).parent.rglob("*") if path.is_file()]
    assert written
    assert not any(b"sesame" in data for data in written)


def test_the_manifest_is_stable_json(lake):
    artifact, _ = lake.build(recipe(b=1, a="ü"), Counter())
    text = (artifact.path / "manifest.json").read_text()
    assert json.dumps(json.loads(text), indent=1, sort_keys=True) == text
