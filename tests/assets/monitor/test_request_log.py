import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.monitor.config import MonitorConfig
from assets.monitor.logged_request import LoggedRequest
from assets.monitor.request_log import FileRequestLog, find_request, read_lines, segments
from assets.monitor.windows import closed_windows
from resources.errors import InputError

from .conftest import record, write_log

SMALL = MonitorConfig(window_requests=20)
ROOT = Path(__file__).parents[3]


def logged(folder: Path) -> list[LoggedRequest]:
    return [request for path in segments(folder) for request in read_lines(path.read_bytes())[0]]


def test_a_line_holds_what_was_asked_when_and_who_answered(tmp_path):
    FileRequestLog(SMALL, tmp_path)(record("What turns the mill?", 5))
    (path,) = segments(tmp_path)
    line = json.loads(path.read_text())
    assert line["number"] == 1
    assert line["time"] == "2026-01-05T08:00:05.000+00:00"
    assert (line["id"], line["model_version"], line["fingerprint"]) == ("cmpl-0005", "3", "f00d")
    assert (line["prompt"], line["completion"]) == ("What turns the mill?", "an answer")
    assert (line["prompt_bytes"], line["completion_bytes"]) == (20, 9)


def test_personal_data_is_masked_before_it_is_written(tmp_path):
    FileRequestLog(SMALL, tmp_path)(record("Write to miller@tidemill.org", completion="or to wheel@tidemill.org"))
    (request,) = logged(tmp_path)
    assert (request.prompt, request.completion, request.masked) == ("Write to <EMAIL>", "or to <EMAIL>", 2)
    assert b"@" not in b"".join(path.read_bytes() for path in segments(tmp_path))


def test_without_texts_their_lengths_are_kept(tmp_path):
    config = MonitorConfig(store_prompts=False, store_completions=False, monitors=())
    FileRequestLog(config, tmp_path)(record("Grüße"))
    (request,) = logged(tmp_path)
    assert (request.prompt, request.completion) == (None, None)
    assert (request.prompt_bytes, request.prompt_tokens, request.completion_tokens) == (7, 7, 2)


def test_a_long_text_is_cut_and_its_length_told(tmp_path):
    config = MonitorConfig(longest_text=100)
    FileRequestLog(config, tmp_path)(record("word " * 1000))
    (request,) = logged(tmp_path)
    assert (len(request.prompt), request.prompt_bytes) == (100, 5000)


@given(st.text(alphabet=st.characters(), max_size=80), st.floats() | st.none())
def test_any_text_and_number_takes_one_line_and_comes_back(text, logprob):
    config = MonitorConfig(mask=())
    request = LoggedRequest.of(record(text, prompt_logprob=logprob), 1, config)
    line = request.to_line()
    assert line.count(b"\n") == 1
    assert LoggedRequest.from_line(line) == request
    assert request.prompt == text.encode(errors="replace").decode()


def test_a_window_closes_with_its_last_request(tmp_path):
    write_log(tmp_path, ["a"] * 39, SMALL)
    (first,) = closed_windows(tmp_path)
    write_log(tmp_path, ["b"], SMALL)
    again, second = closed_windows(tmp_path)
    assert again == first
    numbers = [[request.number for request in read_lines(w.read_bytes())[0]] for w in (first, second)]
    assert numbers == [list(range(1, 21)), list(range(21, 41))]
    assert first.stem < second.stem


def test_another_window_size_leaves_closed_windows_as_they_were(tmp_path):
    write_log(tmp_path, ["a"] * 20, SMALL)
    before = [(window.stem, window.read_bytes()) for window in closed_windows(tmp_path)]
    write_log(tmp_path, ["b"] * 30, MonitorConfig(window_requests=30))
    assert [(window.stem, window.read_bytes()) for window in closed_windows(tmp_path)][:1] == before
    assert len(closed_windows(tmp_path)) == 2


def test_a_line_cut_short_is_ended_counted_and_costs_no_other(tmp_path, caplog):
    write_log(tmp_path, ["a", "b", "c"], SMALL)
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    write_log(tmp_path, ["d"], SMALL)
    assert "is torn" in caplog.text
    assert path.read_bytes().startswith(whole[:-40]), "what was written stays"
    requests, unreadable = read_lines(path.read_bytes())
    assert [(request.number, request.prompt) for request in requests] == [(1, "a"), (2, "b"), (3, "d")]
    assert [(line.line, line.reason) for line in unreadable] == [(3, "torn")]


def test_a_disk_that_takes_half_a_line_is_told_and_the_log_goes_on(tmp_path, monkeypatch):
    log = FileRequestLog(SMALL, tmp_path)
    log(record("a"))
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
        with pytest.raises(OSError, match="free some space"):
            log(record("b"))
    log(record("c"))
    (path,) = segments(tmp_path)
    requests, unreadable = read_lines(path.read_bytes())
    assert [request.prompt for request in requests] == ["a", "c"]
    assert [line.reason for line in unreadable] == ["torn"]


def test_a_killed_server_loses_nothing_that_it_logged(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from assets.monitor.config import MonitorConfig\n"
        "from tests.assets.monitor.conftest import write_log\n"
        "write_log(Path(sys.argv[1]), ['a'] * 27, MonitorConfig(window_requests=20))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    write_log(tmp_path, ["b"], SMALL)
    assert [request.number for request in logged(tmp_path)] == list(range(1, 29))


def test_two_servers_share_a_log(tmp_path):
    one, other = FileRequestLog(SMALL, tmp_path), FileRequestLog(SMALL, tmp_path)
    for number in range(33):
        (other if number % 3 else one)(record("a", number))
    assert [request.number for request in logged(tmp_path)] == list(range(1, 34))
    assert len(closed_windows(tmp_path)) == 1


def test_what_another_server_logged_is_read_once(tmp_path, monkeypatch):
    one, other = FileRequestLog(SMALL, tmp_path), FileRequestLog(SMALL, tmp_path)
    read: list[bytes] = []
    from_line = LoggedRequest.from_line
    monkeypatch.setattr(LoggedRequest, "from_line", lambda line: (read.append(line), from_line(line))[1])
    for number in range(19):
        (other if number % 2 else one)(record("a", number))
    assert len(read) == len(set(read)) == 18


def test_a_request_is_found_by_the_id_of_its_answer(tmp_path):
    write_log(tmp_path, ["a"] * 50, SMALL)
    FileRequestLog(SMALL, tmp_path)(record("late", 99, model_version="4", fingerprint="beef"))
    assert (found := find_request(tmp_path, "cmpl-0099")).model_version == "4"
    assert found.fingerprint == "beef"
    assert find_request(tmp_path, "cmpl-0003").number == 4


def test_a_request_that_was_never_served_is_not_found(tmp_path):
    write_log(tmp_path / "log", ["only the prompt names cmpl-7"], SMALL)
    for folder in ("log", "no log"):
        with pytest.raises(InputError, match="cmpl-7 is not in the request log"):
            find_request(tmp_path / folder, "cmpl-7")
