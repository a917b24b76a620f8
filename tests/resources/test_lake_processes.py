"""Builders in processes of their own: killed ones are continued, and of two one waits."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from resources import lease as leases
from resources.lake import Lake
from tests.resources.conftest import Counter, recipe


def start(lake: Lake, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.resources.builder", str(lake.store.root), str(lake.home), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def never(*arguments: object) -> None:
    raise AssertionError("nothing had to be waited for")


def test_a_builder_killed_by_the_kernel_is_taken_over_at_once_and_continued(lake, monkeypatch):
    builder = start(lake, "die")
    builder.communicate()
    assert builder.returncode == -signal.SIGKILL
    folder = f"numbers/{recipe().fingerprint}"
    assert lake.store.names(folder) == ["0.txt", "1.txt"]
    assert lake.find(recipe()) is None
    monkeypatch.setattr(leases.time, "sleep", never)
    rest = Counter()
    artifact, was_cached = lake.build(recipe(), rest)
    assert (rest.made, was_cached) == ([2], False)
    assert artifact.digest == lake.build(recipe("other"), Counter())[0].digest
    assert not (lake.home / "scratch").exists()
    assert sorted(path.name for path in artifact.path.iterdir()) == ["0.txt", "1.txt", "2.txt", "manifest.json"]


def test_of_two_processes_one_builds_and_the_other_waits_and_takes_it(lake, monkeypatch):
    builder = start(lake, "wait")
    assert builder.stdout is not None
    assert builder.stdout.readline() == "building\n"
    waits = []

    def let_it_go_on(seconds: float) -> None:
        waits.append(seconds)
        builder.communicate("go on\n") if len(waits) == 1 else None

    monkeypatch.setattr(leases.time, "sleep", let_it_go_on)
    mine = Counter()
    artifact, was_cached = lake.build(recipe(), mine)
    assert builder.returncode == 0
    assert waits
    assert (was_cached, mine.made) == (True, [])
    assert artifact.stats == {"files": 3}


def claim(lake: Lake, **owner: object) -> None:
    me = psutil.Process()
    said = {
        "token": "another",
        "host": socket.gethostname(),
        "pid": me.pid,
        "started": leases._started(me),
        "beat": time.time(),
        **owner,
    }
    lake.store.create(f".leases/{recipe().fingerprint}", json.dumps(said).encode())


@pytest.mark.parametrize(
    "owner",
    [
        {"pid": 2**22 + 1},
        {"pid": os.getpid(), "started": 0.0},
        {"host": "elsewhere", "beat": 0.0},
    ],
    ids=["no such process", "the number belongs to another process now", "no heartbeat from elsewhere"],
)
def test_a_lease_whose_owner_is_gone_is_taken_over_at_once(lake, monkeypatch, owner):
    claim(lake, **owner)
    monkeypatch.setattr(leases.time, "sleep", never)
    assert lake.build(recipe(), Counter())[1] is False


def test_a_lease_that_cannot_be_read_is_taken_over(lake, monkeypatch):
    lake.store.create(f".leases/{recipe().fingerprint}", b"\x00")
    monkeypatch.setattr(leases.time, "sleep", never)
    assert lake.build(recipe(), Counter())[1] is False


def test_a_dead_owner_is_followed_by_one_only(lake, monkeypatch):
    """One of two is slow between finding the owner dead and taking over; the other is not, and loses nothing."""
    claim(lake, pid=2**22 + 1)
    found_dead, taken, holders, most = threading.Event(), threading.Event(), [], []
    is_abandoned = leases._is_abandoned

    def slowly(data: bytes | None) -> bool:
        is_dead = is_abandoned(data)
        if threading.current_thread() is slow and not found_dead.is_set():
            found_dead.set()
            taken.wait(0.3)
        return is_dead

    def hold() -> None:
        with leases.lease(lake.store, f".leases/{recipe().fingerprint}", finished=lambda: False):
            holders.append(threading.current_thread())
            most.append(len(holders))
            taken.set()
            if threading.current_thread() is not slow:
                slow.join(5)
            holders.pop()

    slow = threading.Thread(target=hold)
    monkeypatch.setattr(leases, "_is_abandoned", slowly)
    slow.start()
    found_dead.wait()
    hold()
    assert most == [1, 1]


@pytest.mark.parametrize("owner", [{}, {"host": "elsewhere", "pid": 2**22 + 1}], ids=["here", "elsewhere"])
def test_a_living_owner_is_waited_for(lake, monkeypatch, owner):
    claim(lake, **owner)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 0.0)  # as after the clock was set

    class WaitedError(Exception):
        pass

    def wait(seconds: float) -> None:
        raise WaitedError

    monkeypatch.setattr(leases.time, "sleep", wait)
    with pytest.raises(WaitedError):
        lake.build(recipe(), Counter())


def test_a_lease_is_renewed_while_it_is_held_and_gone_after(lake, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.001)
    with leases.lease(lake.store, ".leases/x", finished=lambda: False) as is_mine:
        assert is_mine
        first = json.loads(lake.store.read(".leases/x"))
        while (now := json.loads(lake.store.read(".leases/x")))["beat"] == first["beat"]:
            pass
        assert {**now, "beat": first["beat"], "token": first["token"]} == first
    assert lake.store.read(".leases/x") is None
