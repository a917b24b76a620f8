import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.monitor.config import MonitorConfig
from assets.monitor.request_log import FileRequestLog, read_lines
from assets.monitor.windows import closed_windows, observe_window, read_prompts
from resources.artifact import Recipe
from resources.errors import InputError
from resources.lake import Lake

from .conftest import record, write_log

CONFIG = MonitorConfig(window_requests=20)
PROMPTS = [f"What does gate {number} do?" for number in range(20)]


def window_of(folder, prompts, **changes) -> Path:
    write_log(folder, prompts, CONFIG, **changes)
    return closed_windows(folder)[0]


def test_a_window_becomes_a_table_of_its_requests(tmp_path, make_build, folder_of):
    build = make_build("window")
    outcome = observe_window(build, window_of(tmp_path / "log", PROMPTS))
    assert read_prompts(folder_of(build)) == PROMPTS
    assert (outcome.stats["entered"], outcome.stats["kept"], outcome.stats["dropped"]) == (20, 20, {})
    assert outcome.stats["models"] == {"f00d": 20}


def test_the_digest_is_of_what_was_asked_not_of_when_or_in_which_order(tmp_path, make_build):
    first = observe_window(make_build("a"), window_of(tmp_path / "a", PROMPTS)).digest
    shuffled = random.Random(0).sample(PROMPTS, len(PROMPTS))
    later = window_of(tmp_path / "b", shuffled, id="cmpl-x", time_s=1.8e9, latency_s=9.0, model_version="8")
    assert observe_window(make_build("b"), later).digest == first
    others = window_of(tmp_path / "c", [*PROMPTS[:-1], "What is a sluice?"])
    assert observe_window(make_build("c"), others).digest != first


def test_the_same_requests_in_a_later_window_are_another_window(tmp_path, make_build):
    window = window_of(tmp_path / "log", PROMPTS)
    first = observe_window(make_build("a"), window).digest
    later = window.rename(window.with_stem("20260105T000000-000000021"))
    assert observe_window(make_build("b"), later).digest != first


def test_lines_that_are_no_requests_are_counted_with_their_reason(tmp_path, make_build, folder_of):
    window = window_of(tmp_path / "log", PROMPTS)
    lines = window.read_bytes().splitlines(keepends=True)
    lines[3:5] = [lines[3][:50] + b"\n", b'{"number": 5}\n', b"[1]\n", b"\xff\xfe\n", b"\n"]
    window.write_bytes(b"".join(lines))
    build = make_build("window")
    stats = observe_window(build, window).stats
    assert stats["entered"] == stats["kept"] + sum(stats["dropped"].values()) == 23
    assert stats["kept"] == len(read_prompts(folder_of(build))) == 18
    assert set(stats["dropped"]) == {"torn", "malformed"}
    named = (folder_of(build) / "unreadable.jsonl").read_text()
    assert '"line": 4, "reason": "torn"' in named
    assert '"line": 5, "reason": "malformed"' in named


def test_a_killed_observation_is_made_again_to_the_same_bytes(tmp_path, make_build, folder_of, monkeypatch):
    window = window_of(tmp_path / "log", PROMPTS)
    observe_window(make_build("whole"), window)
    killed = make_build("killed")

    def die(_, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", die)
        with pytest.raises(KeyboardInterrupt):
            observe_window(killed, window)
    assert not killed.has("requests.parquet")
    observe_window(killed, window)
    for name in ("requests.parquet", "unreadable.jsonl"):
        assert (folder_of(killed) / name).read_bytes() == (tmp_path / "lake" / "whole" / name).read_bytes()


def test_a_window_once_seen_stays_seen(tmp_path):
    window = window_of(tmp_path / "log", PROMPTS)
    lake = Lake(tmp_path / "lake", tmp_path)
    recipe = Recipe("request_log", window.stem, {"log": "tide"}, kind="observed")
    artifact, was_there = lake.build(recipe, lambda build: observe_window(build, window))
    assert not was_there
    window.unlink()
    assert lake.build(recipe, lambda build: observe_window(build, window)) == (artifact, True)


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "requests.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(InputError, match="not a window of a request log"):
        read_prompts(tmp_path)


def test_an_open_window_is_not_closed_by_looking(tmp_path):
    FileRequestLog(CONFIG, tmp_path)(record("a"))
    assert closed_windows(tmp_path) == []
    assert closed_windows(tmp_path / "nothing here") == []
    assert read_lines(b"") == ([], [])
