"""Tasks over worker processes: all are done, errors come through, and a dead worker is named."""

import hashlib
import os
import signal
from functools import partial
from pathlib import Path

import psutil
import pytest

from resources.build import Build, Progress
from resources.compute import run_tasks
from resources.errors import BuildError, InputError
from resources.store import Store


def open_build(root: Path, workers: int, report=lambda progress: None) -> Build:
    return Build(Store(root), "numbers/fp", root / "scratch", None, workers, report)


def square(build: Build, number: int) -> None:
    build.write(f"{number}.txt", str(number**2))


def fail_at(failing: int, number: int) -> None:
    if number == failing:
        raise InputError(f"shard {number} is no shard")


def fail_while_another_works(build: Build, number: int) -> None:
    while number == 1 and not build.has("started"):
        pass  # a failure in the middle of the other task's work
    if number == 1:
        raise InputError("no shard")
    build.write("started", "")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 300_000)
    build.write("ended", "")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_is_done_once_and_reported(tmp_path, workers):
    told: list[Progress] = []
    build = open_build(tmp_path, workers, told.append)
    run_tasks(build, "square", 5, partial(square, build), unit="numbers")
    assert {name: build.store.read(f"numbers/fp/{name}") for name in build.store.names("numbers/fp")} == {
        f"{n}.txt": str(n**2).encode() for n in range(5)
    }
    assert [(p.done, p.total, p.unit) for p in told] == [(n, 5, "numbers") for n in range(6)]


def test_no_tasks_are_no_work(tmp_path):
    run_tasks(open_build(tmp_path, 2), "nothing", 0, die)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_stops_the_build_with_its_own_words(tmp_path, workers):
    with pytest.raises(InputError, match="shard 2 is no shard"):
        run_tasks(open_build(tmp_path, workers), "fail", 4, partial(fail_at, 2))


def test_no_task_writes_after_the_build_has_failed(tmp_path):
    build = open_build(tmp_path, 2)
    with pytest.raises(InputError, match="no shard"):
        run_tasks(build, "fail", 2, partial(fail_while_another_works, build))
    assert build.has("ended")


def test_a_worker_that_dies_is_named_and_the_next_attempt_has_new_ones(tmp_path):
    build = open_build(tmp_path, 2)
    with pytest.raises(BuildError, match="die: a worker process died, most likely for want of memory"):
        run_tasks(build, "die", 2, die)
    run_tasks(build, "square", 2, partial(square, build))
    assert build.store.names("numbers/fp") == ["0.txt", "1.txt"]


def test_workers_that_died_between_two_builds_are_named_once_and_then_replaced(tmp_path):
    build = open_build(tmp_path, 2)
    run_tasks(build, "square", 2, partial(square, build))
    for process in psutil.Process().children(recursive=True):
        process.kill()
    with pytest.raises(BuildError, match="a worker process died"):
        run_tasks(build, "square", 3, partial(square, build))
    run_tasks(build, "square", 3, partial(square, build))
    assert build.store.read("numbers/fp/2.txt") == b"4"
