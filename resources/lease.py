"""One builder at a time: a lease on a fingerprint, taken over when its owner is gone."""

import fcntl
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from resources.store import Store

HEARTBEAT_S = 10.0
EXPIRES_S = 60.0
POLL_S = 0.2


@contextmanager
def lease(store: Store, name: str, *, finished: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lease `name`; yields False where `finished()` came true while waiting.

    An owner on this machine is alive while its process is (pid and start time, so that a reused
    pid does not count); an owner elsewhere while its heartbeat, rewritten every 10 s, is younger
    than 60 s. On an object store, two waiters that take over at the same instant may both go on:
    they build the same bytes, and commit lets one of them win.
    """
    token = uuid.uuid4().hex
    while not store.create(name, _claim(token)):
        if finished():
            yield False
            return
        with alone(store):
            is_free = _is_abandoned(store.read(name))
            if is_free:
                store.remove(name)
        if not is_free:
            time.sleep(POLL_S)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(store, name, token, stop), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        stop.set()
        beat.join()
        with alone(store):
            if _owner(store.read(name)).get("token") == token:
                store.remove(name)


def held(store: Store) -> list[str]:
    """The fingerprints of what is built now, by owners that live."""
    claims = {name: store.read(f".leases/{name}") for name in store.names(".leases")}
    return [name for name, data in claims.items() if data is not None and not _is_abandoned(data)]


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Nobody else on this disk does so meanwhile: what was read, of a lease or an artifact, is what is changed."""
    if not store.is_local:
        yield
        return
    path = Path(store.key(".leases/.lock"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _claim(token: str) -> bytes:
    return json.dumps({"token": token, "host": socket.gethostname(), **this_process(), "beat": time.time()}).encode()


def this_process() -> dict[str, Any]:
    """What tells this process from all others of the machine, before and after."""
    me = psutil.Process()
    return {"pid": me.pid, "started": _started(me)}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether the process that told `this_process` is still there; another one with its pid is not it."""
    try:
        found = psutil.Process(int(process["pid"]))
        return bool(_started(found) == process["started"]) and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(process: psutil.Process) -> float:
    """When a process started, as no clock that is set moves it: on Linux in ticks since boot (proc(5), `starttime`)."""
    try:
        return float(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return float(process.create_time())


def _owner(data: bytes | None) -> dict[str, Any]:
    try:
        return dict(json.loads(data or b"{}"))
    except ValueError:
        return {}


def _is_abandoned(data: bytes | None) -> bool:
    owner = _owner(data)
    if data is None or not owner:
        return data is not None  # what nobody can read is nobody's
    if owner["host"] != socket.gethostname():
        return bool(time.time() - owner["beat"] > EXPIRES_S)
    return not is_alive(owner)


def _renew(store: Store, name: str, token: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        with alone(store):
            if _owner(store.read(name)).get("token") != token:
                return
            store.replace(name, _claim(token))
