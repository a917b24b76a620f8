"""The request log: append-only segments of JSON lines, each of which becomes a window that monitors look at."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from assets.monitor.config import MonitorConfig
from assets.monitor.logged_request import LoggedRequest
from llm_core.durable import sync
from llm_core.serve.record import RequestRecord
from resources.errors import InputError

log = logging.getLogger(__name__)

SUFFIX = ".jsonl"
LOCK = ".lock"


def find_request(folder: Path, request_id: str) -> LoggedRequest:
    """The first prompt of a request, by its response's id, newest segments searched first.

    Raises:
        InputError: if the log has no such request.
    """
    for path in reversed(segments(folder)):
        data = path.read_bytes()
        requests = read_lines(data)[0] if request_id.encode() in data else []
        if found := [request for request in requests if request.id == request_id]:
            return min(found, key=lambda request: request.index)
    raise InputError(f"request:{request_id} is not in the request log {folder}; give the id of an answer it has served")


def segments(folder: Path) -> list[Path]:
    """The log's files, oldest first; none where there is no log."""
    return sorted(folder.glob(f"*{SUFFIX}"))


@dataclass(frozen=True)
class Unreadable:
    """A line of a segment that is no request: its number in the file from 1, and why."""

    line: int
    reason: str
    detail: str


def read_lines(data: bytes) -> tuple[list[LoggedRequest], list[Unreadable]]:
    """The requests of a segment's bytes, and what else stands in it.

    Reasons: `torn` (it has no end, or is no whole JSON), `malformed` (a field is missing or wrong).
    """
    requests, unreadable = [], []
    *lines, rest = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            requests.append(LoggedRequest.from_line(line))
        except ValidationError as error:
            first = error.errors()[0]
            reason = "torn" if first["type"] == "json_invalid" else "malformed"
            unreadable.append(Unreadable(number, reason, ": ".join([*map(str, first["loc"]), first["msg"]])))
    if rest:
        unreadable.append(Unreadable(len(lines) + 1, "torn", "it has no end"))
    return requests, unreadable


class FileRequestLog:
    """Appends records to the newest segment of a folder, and begins the next one where a window ends.

    Several processes may write one log: each line is written under a lock, whole, by one call in
    append mode. So a kill loses nothing that was written; what a power cut loses are the lines
    since the last segment was closed, for only then is the file synced to disk.
    A line that was cut short (a full disk, a power cut) is ended, and stays for readers to count.
    """

    def __init__(self, config: MonitorConfig, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._config, self._folder = config, folder
        self._segment: Path | None = None
        self._size = self._count = self._last = 0
        with self._locked():
            self._catch_up()

    def __call__(self, record: RequestRecord, /) -> None:
        """Write one record.

        Raises:
            OSError: if the disk does not take the whole line.
        """
        with self._locked():
            self._catch_up()
            if self._segment is None or self._is_full():
                self._begin_segment()
            self._append(LoggedRequest.of(record, self._last + 1, self._config).to_line())
            self._count, self._last = self._count + 1, self._last + 1
            if self._is_full():
                self._begin_segment()  # at once: the window is closed with its last request

    def _is_full(self) -> bool:
        return self._count >= self._config.window_requests

    def _catch_up(self) -> None:
        """Take in what other writers did, or what a writer before this one left."""
        newest = next(reversed(segments(self._folder)), None)
        if newest is None:
            return
        if newest != self._segment:
            first = int(newest.stem.rpartition("-")[2])
            self._segment, self._size, self._count, self._last = newest, 0, 0, first - 1
        with newest.open("rb") as file:
            file.seek(self._size)
            data = file.read()
        requests, _ = read_lines(data)
        self._size, self._count = self._size + len(data), self._count + len(requests)
        self._last = max([self._last, *(request.number for request in requests)])
        if data and not data.endswith(b"\n"):
            log.warning("the last line of %s is torn: it was cut short and is left out", newest)
            self._append(b"\n")

    def _begin_segment(self) -> None:
        """Close the open segment for good, and name the next by the log's beginning and its first request."""
        if self._segment is None:
            began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        else:
            began = self._segment.stem.partition("-")[0]
            sync(self._segment)
        self._segment = self._folder / f"{began}-{self._last + 1:09}{SUFFIX}"
        self._segment.touch(exist_ok=False)
        sync(self._folder)
        self._size = self._count = 0

    def _append(self, line: bytes) -> None:
        assert self._segment is not None
        descriptor = os.open(self._segment, os.O_WRONLY | os.O_APPEND)
        try:
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if written < len(line):
            problem = f"only {written} of {len(line)} bytes were written; free some space"
            raise OSError(errno.ENOSPC, problem, self._segment)
        self._size += written

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / LOCK).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
