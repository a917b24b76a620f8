"""The lake on an object store, which cannot rename and has no paths: fsspec's store in memory."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from resources.errors import LakeError
from resources.journal import Journal, journals
from resources.lake import Damage, Lake
from tests.resources.conftest import Counter, recipe


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Lake]:
    yield Lake("memory://tidemill-lake", tmp_path)
    MemoryFileSystem().rm("/tidemill-lake", recursive=True)


def test_what_was_built_is_found_and_read_from_here(remote):
    artifact, was_cached = remote.build(recipe(), Counter())
    assert not was_cached
    assert artifact.uri.startswith("memory://")
    assert remote.find(recipe()) == artifact == remote.get(artifact.fingerprint)
    assert remote.stages() == ["numbers"]
    local = remote.local(artifact)
    assert (local.path / "2.txt").read_text() == "number 2\n"
    assert remote.local(artifact) == local


def test_the_digest_is_that_of_a_lake_on_disk(remote, lake):
    assert remote.build(recipe(), Counter())[0].digest == lake.build(recipe(), Counter())[0].digest


def test_a_stopped_build_is_continued(remote):
    with pytest.raises(KeyboardInterrupt):
        remote.build(recipe(), Counter(stop=2))
    assert remote.find(recipe()) is None
    rest = Counter()
    remote.build(recipe(), rest)
    assert rest.made == [2]


def test_a_finished_file_of_a_build_can_be_read_while_it_goes_on(remote):
    from resources.build import Outcome

    def run(build):
        build.write("a.txt", "a")
        with build.local("a.txt") as path:
            assert path.read_text() == "a"
        return Outcome({})

    remote.build(recipe(), run)


def test_a_file_of_another_size_is_named_set_aside_and_rebuilt(remote, caplog):
    artifact, _ = remote.build(recipe(), Counter())
    remote.store.fs.pipe_file(remote.store.key(f"numbers/{artifact.fingerprint}/1.txt"), b"short")
    with caplog.at_level(logging.WARNING):
        assert remote.find(recipe()) is None
    assert "1.txt: its size differs from the manifest" in caplog.text
    assert remote.store.folders("aside") == [f"numbers-{artifact.fingerprint}-0"]
    assert remote.build(recipe(), Counter()) == (artifact, False)


def test_a_file_with_other_bytes_is_refused_when_it_is_fetched(remote):
    artifact, _ = remote.build(recipe(), Counter())
    remote.store.fs.pipe_file(remote.store.key(f"numbers/{artifact.fingerprint}/1.txt"), b"number !\n")
    assert [e.file for e in remote.verify() if isinstance(e, Damage)] == ["1.txt"]
    with pytest.raises(LakeError, match="differs from its manifest; it was set aside"):
        remote.local(artifact)
    assert remote.find(recipe()) is None


def test_a_name_is_claimed_by_one_writer_only(remote):
    assert remote.store.create("pins/a", b"one")
    assert not remote.store.create("pins/a", b"two")
    assert remote.store.read("pins/a") == b"one"


def test_the_journal_lies_in_the_lake(remote):
    artifact, _ = remote.build(recipe(), Counter())
    assert Journal(remote.store, "tidemill-a").register(artifact) == 1
    (journal,) = journals(remote.store)
    assert journal.read().versions == {artifact.fingerprint: 1}


def test_newer_artifacts_can_be_told_from_older_ones(remote):
    older, newer = (remote.build(recipe(n=n), Counter())[0] for n in range(2))
    assert 0 < remote.age_key(older) <= remote.age_key(newer)
