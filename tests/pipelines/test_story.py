"""The drift story as `make story` tells it: unattended, on a home of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "pipelines.story"]


def processes_of(home: Path) -> list[psutil.Process]:
    """Whoever works on this home, or does so in its name."""
    found = []
    for process in psutil.process_iter():
        try:
            words, environment = " ".join(process.cmdline()), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if str(home) in words or environment.get("TIDEMILL_HOME") == str(home):
            found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_drift_is_answered_and_a_bad_challenger_is_refused(tmp_path):
    told = subprocess.run([*COMMAND, "--home", str(tmp_path)], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    ending = json.loads(told.stdout.splitlines()[-1])
    assert ending["alarms_in_domain"] == 0
    assert ending["alarms_shifted"] >= 1
    assert ending["promoted"]
    assert ending["refused"]
    assert len(set(ending["versions"])) >= 2
    assert ending["failed_requests"] == 0
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_a_story_that_is_killed_leaves_no_process_behind(tmp_path):
    story = subprocess.Popen([*COMMAND, "--home", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "lake" / ".leases").exists():
        assert story.poll() is None
    os.kill(story.pid, signal.SIGKILL)
    story.wait()
    _, alive = psutil.wait_procs(processes_of(tmp_path), timeout=60)
    assert alive == []
