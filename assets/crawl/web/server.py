"""The web on loopback: an HTTP/1.1 server in a process of its own that ends with its parent."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import IO, Any

import assets
from assets.crawl.web.answers import Answer, Answers, Request
from assets.crawl.web.config import WebConfig
from assets.crawl.web.site import Site
from assets.crawl.web.web import build_web
from resources.errors import BuildError, SpecError, TidemillError
from resources.lifeline import exit_with_parent

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ServedWeb:
    """Where the web is reached: every host of `hosts` at this address, by its Host header."""

    address: str
    port: int
    hosts: tuple[str, ...]


class _Server(ThreadingTCPServer):
    """A thread for each connection, one answer at a time; `log` gets a line of JSON for each."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, sites: Mapping[str, Site], log: IO[str]):
        super().__init__((LOOPBACK, 0), _Connection)
        self.answers, self.log, self.turn = Answers(sites, time.monotonic), log, threading.Lock()

    def answer(self, request: Request) -> Answer:
        arrived, agent = time.monotonic(), request.headers.get("user-agent", "")
        with self.turn:
            answer = self.answers.answer(request)
            entry = {"t": arrived, "host": request.host, "path": request.target, "method": request.method}
            self.log.write(json.dumps({**entry, "status": int(answer.status), "agent": agent}) + "\n")
        return answer


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(Request(self.command, self.path, headers))
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(answer.body)))
        if "content-length" in headers or "transfer-encoding" in headers:
            self.send_header("Connection", "close")  # a body is not read, so nothing can follow it
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *words: Any) -> None:
        """Say nothing: what there is to say is in the access log."""


def main() -> None:
    """The child process: the order comes as one line of JSON, the address goes out as another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    order = json.loads(sys.stdin.readline())
    exit_with_parent(order["parent"])
    gc.disable()  # syntax trees come and go without cycles; to look for some would cost a third
    try:
        sites = build_web(WebConfig.model_validate(order["config"]), order["edition"], order["workers"])
    except TidemillError as error:
        print(json.dumps({"error": str(error)}), flush=True)  # noqa: T201
        return
    gc.enable()
    with open(order["access_log"], "a", encoding="utf-8", buffering=1) as log:
        server = _Server(sites, log)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({"port": server.server_address[1], "hosts": sorted(sites)}), flush=True)  # noqa: T201
        sys.stdin.read()  # the parent holds the other end: its end, however it came, is the end of the file


@contextmanager
def serve_web(
    config: WebConfig, edition: int, *, access_log: Path | None = None, workers: int = 1
) -> Iterator[ServedWeb]:
    """Serve an edition of the web from a child process for as long as the block runs.

    `access_log` is appended a line of JSON a request: `t` (seconds of the machine's monotonic clock, at
    arrival), `host`, `path`, `method`, `status`, `agent`. `workers` processes read the packages. The
    child ends when the block does, and when this process dies. Raises SpecError if the config names
    what is not installed, BuildError if the child dies before it serves.
    """
    root = str(Path(assets.__file__).parent.parent)
    search_path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    order = {
        "config": config.model_dump(mode="json"),
        "edition": edition,
        "access_log": os.devnull if access_log is None else str(access_log.absolute()),
        "workers": workers,
        "parent": os.getpid(),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "assets.crawl.web.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": search_path},
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
