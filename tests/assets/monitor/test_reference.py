import hashlib

import pyarrow.parquet as pq
import pytest

from assets.monitor import reference as module
from assets.monitor.config import MonitorConfig
from assets.monitor.reference import make_reference, read_reference
from assets.questions import documented_objects
from resources.errors import BuildError

from .conftest import write_corpus

CONFIG = MonitorConfig(reference_requests=60)


@pytest.fixture
def corpus(library, make_build, folder_of):
    build = make_build("corpus")
    write_corpus(build, library.in_domain[:120], held_out=30)
    return folder_of(build)


def bytes_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_reference_asks_about_held_out_documents_only(make_build, folder_of, corpus, champion, library):
    build = make_build("reference")
    outcome = make_reference(build, CONFIG, [corpus], champion)
    rows = pq.read_table(folder_of(build) / "requests.parquet").to_pylist()
    subjects = [subject for document in library.in_domain[90:120] for subject in documented_objects(document)]
    assert len(rows) == 60
    assert all(any(s.name in row["text"] or s.sentence[:40] in row["text"] for s in subjects) for row in rows)
    assert all(row["bits_per_byte"] > 0 for row in rows)
    assert (outcome.stats["entered"], outcome.stats["kept"], outcome.stats["dropped"]) == (120, 30, {"train": 90})


def test_the_bytes_do_not_depend_on_the_workers(make_build, folder_of, corpus, champion):
    builds = [make_build("one", workers=1), make_build("two", workers=2)]
    stats = [make_reference(build, CONFIG, [corpus], champion).stats for build in builds]
    assert stats[0] == stats[1]
    assert bytes_of(folder_of(builds[0])) == bytes_of(folder_of(builds[1]))


def test_a_killed_build_goes_on_to_the_same_bytes(make_build, folder_of, corpus, champion, monkeypatch):
    whole, killed = make_build("whole"), make_build("killed")
    expected = make_reference(whole, CONFIG, [corpus], champion)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "bits_per_byte", die)
        with pytest.raises(KeyboardInterrupt):
            make_reference(killed, CONFIG, [corpus], champion)
    assert make_reference(killed, CONFIG, [corpus], champion) == expected
    assert bytes_of(folder_of(killed)) == bytes_of(folder_of(whole))
    with monkeypatch.context() as patched:
        patched.setattr(module, "bits_per_byte", die)
        assert make_reference(killed, CONFIG, [corpus], champion) == expected, "a finished reference is not made again"


def test_reading_gives_the_requests_with_their_losses(make_build, folder_of, corpus, champion):
    build = make_build("reference")
    make_reference(build, CONFIG, [corpus], champion)
    requests = read_reference(folder_of(build))
    assert len(requests) == len(requests.bits_per_byte) == 60


def test_without_held_out_documents_there_is_no_reference(make_build, folder_of, champion, library):
    corpus = make_build("corpus")
    write_corpus(corpus, library.in_domain[:10], held_out=0)
    with pytest.raises(BuildError, match="hold out more"):
        make_reference(make_build("reference"), CONFIG, [folder_of(corpus)], champion)


def test_without_monitors_there_need_be_nothing_to_ask_for(make_build, folder_of, champion, library):
    build = make_build("reference")
    config = CONFIG.model_copy(update={"monitors": ()})
    outcome = make_reference(build, config, [], champion)
    assert (outcome.stats["requests"], outcome.stats["bits_per_byte"]) == (0, None)
    assert len(read_reference(folder_of(build))) == 0
