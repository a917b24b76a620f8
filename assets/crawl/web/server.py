"""The web on loopback: a small HTTP/1.1 server, in a process of its own that ends with its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

import assets
from assets.crawl.web.answers import Answer, Answers, Request
from assets.crawl.web.config import WebConfig
from assets.crawl.web.site import Site
from assets.crawl.web.web import build_web
from resources.errors import BuildError, SpecError, TidemillError
from resources.lifeline import exit_with_parent

LOOPBACK = "127.0.0.1"
MAX_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True)
class ServedWeb:
    """Where the web is reached: every host of `hosts` at this address, by its Host header."""

    address: str
    port: int
    hosts: tuple[str, ...]


class Protocol(asyncio.Protocol):
    """One connection: heads of requests in, answers out in order; kept alive until either side closes."""

    def __init__(self, answers: Answers, log: IO[str] | None):
        self.answers, self.log = answers, log
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received and not self.transport.is_closing():
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self._respond(head)
        if len(self.received) > MAX_HEAD_BYTES:
            self._send(Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), is_head=False, is_last=True)

    def _respond(self, head: bytes) -> None:
        arrived = time.monotonic()
        try:
            request = parse_head(head)
        except ValueError:
            self._send(Answer(HTTPStatus.BAD_REQUEST), is_head=False, is_last=True)
            return
        answer = self.answers.answer(request)
        if self.log is not None:
            entry = {
                "t": arrived,
                "host": request.host,
                "path": request.target,
                "method": request.method,
                "status": int(answer.status),
                "agent": request.headers.get("user-agent", ""),
            }
            self.log.write(json.dumps(entry) + "\n")
        # A request with a body is not read further, so its connection cannot be used again.
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        is_last = has_body or request.headers.get("connection", "").lower() == "close"
        self._send(answer, request.method == "HEAD", is_last)

    def _send(self, answer: Answer, is_head: bool, is_last: bool) -> None:
        lines = [f"HTTP/1.1 {int(answer.status)} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if answer.status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += ["Connection: close"] if is_last else []
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        self.transport.write(head if is_head else head + answer.body)
        if is_last:
            self.transport.close()


def parse_head(head: bytes) -> Request:
    """A request line and its header fields.

    Raises:
        ValueError: if it is not HTTP/1.
    """
    line, *fields = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    method, target, version = line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"{version!r} is not HTTP/1")
    pairs = [field.partition(":") for field in fields]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if target.startswith("http://"):  # absolute form: its authority goes before Host
        authority, _, path = target.removeprefix("http://").partition("/")
        headers["host"], target = authority, f"/{path}"
    return Request(method, target, headers)


async def _serve(sites: Mapping[str, Site], log: IO[str] | None) -> None:
    answers = Answers(sites, time.monotonic)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(answers, log), LOOPBACK, 0, backlog=512)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port, "hosts": sorted(sites)}) + "\n")
    sys.stdout.flush()
    # The parent holds the other end of stdin: its end, however it came, is the end of the file.
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """The child process: the order comes as one line of JSON, the address goes out as another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    order = json.loads(sys.stdin.readline())
    exit_with_parent(order["parent"])
    try:
        sites = build_web(WebConfig.model_validate(order["config"]), order["edition"], order["workers"])
    except TidemillError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return
    if order["access_log"] is None:
        asyncio.run(_serve(sites, None))
    else:
        with open(order["access_log"], "a", encoding="utf-8", buffering=1) as log:
            asyncio.run(_serve(sites, log))


@contextmanager
def serve_web(
    config: WebConfig, edition: int, *, access_log: Path | None = None, workers: int = 1
) -> Iterator[ServedWeb]:
    """Serve an edition of the web from a child process for as long as the block runs.

    `access_log` gets a line of JSON a request: `t` (seconds of the machine's monotonic clock, at
    arrival), `host`, `path`, `method`, `status`, `agent`; it is appended to. `workers` processes
    read the packages. The child ends when the block does, and when this process dies.

    Raises:
        SpecError: if the config names what is not installed.
        BuildError: if the child dies before it serves.
    """
    root = str(Path(assets.__file__).parent.parent)
    search_path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "assets.crawl.web.server"]
    order = {
        "config": config.model_dump(mode="json"),
        "edition": edition,
        "access_log": None if access_log is None else str(access_log.absolute()),
        "workers": workers,
        "parent": os.getpid(),
    }
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": search_path}
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        if not line:
            raise BuildError(f"the loopback web ended with code {child.wait()} before it served; see its error above")
        said = json.loads(line)
        if "error" in said:
            raise SpecError(said["error"])
        yield ServedWeb(LOOPBACK, said["port"], tuple(said["hosts"]))
    finally:
        child.kill()
        child.wait()
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()


if __name__ == "__main__":
    main()
