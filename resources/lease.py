"""One builder at a time: a lease on a fingerprint, taken over when its owner is gone."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    than 60 s. Two waiters that take over at the same instant may both go on: they build the same
    bytes, and commit lets one of them win.
    """
    token = uuid.uuid4().hex
    while not store.create(name, _claim(token)):
        if finished():
            yield False
            return
        if _is_abandoned(store.read(name)):
            store.remove(name)
        else:
            time.sleep(POLL_S)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(store, name, token, stop), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        stop.set()
        beat.join()
        if _owner(store.read(name)).get("token") == token:
            store.remove(name)


def _claim(token: str) -> bytes:
    me = psutil.Process()
    process = {"host": socket.gethostname(), "pid": me.pid, "started": me.create_time()}
    return json.dumps({"token": token, **process, "beat": time.time()}).encode()


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
    try:
        process = psutil.Process(int(owner["pid"]))
        return bool(process.create_time() != owner["started"]) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _renew(store: Store, name: str, token: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        if _owner(store.read(name)).get("token") != token:
            return
        store.replace(name, _claim(token))
