"""The web on loopback: an HTTP/1.1 server in a process of its own that ends with its parent."""

import gc
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import IO, Any, NamedTuple

from assets.crawl.web.answers import Answers, Request
from assets.crawl.web.config import WebConfig
from assets.crawl.web.web import build_web
from resources.errors import BuildError, TidemillError
from resources.lifeline import exit_with_pool

LOOPBACK = "127.0.0.1"


class ServedWeb(NamedTuple):
    """Where the web is reached: every host of `hosts` at this address, by its Host header."""

    address: str
    port: int
    hosts: tuple[str, ...]


class _Server(ThreadingTCPServer):
    """A thread for each connection, one answer at a time; `log` gets a line of JSON for each."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, answers: Answers, log: IO[str]):
        super().__init__((LOOPBACK, 0), _Connection)
        self.answers, self.log, self.turn = answers, log, threading.Lock()


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        arrived = time.monotonic()
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        with self.server.turn:
            answer = self.server.answers.answer(request)
            entry = {"t": arrived, "host": request.host, "path": request.target, "method": request.method}
            entry |= {"status": int(answer.status), "agent": request.headers.get("user-agent", "")}
            self.server.log.write(json.dumps(entry) + "\n")
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(answer.body)))
        if request.headers.keys() & {"content-length", "transfer-encoding"}:
            self.send_header("Connection", "close")  # a body is not read, so nothing can follow it
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *words: Any) -> None:
        """Say nothing: what there is to say is in the access log."""


def _serve(pipe: Connection, config: WebConfig, edition: int, access_log: Path, workers: int) -> None:
    """The child: sends where it serves, or the error that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is this process's end
    exit_with_pool()
    gc.disable()  # syntax trees come and go without cycles; to look for some would cost a third
    try:
        sites = build_web(config, edition, workers)
    except TidemillError as error:
        pipe.send(error)
        return
    gc.enable()
    with access_log.open("a", encoding="utf-8", buffering=1) as log:
        server = _Server(Answers(sites, time.monotonic), log)
        pipe.send(ServedWeb(LOOPBACK, server.server_address[1], tuple(sorted(sites))))
        server.serve_forever()


@contextmanager
def serve_web(
    config: WebConfig, edition: int, *, access_log: Path = Path(os.devnull), workers: int = 1
) -> Iterator[ServedWeb]:
    """Serve an edition of the web from a child process for as long as the block runs.

    `access_log` is appended a line of JSON a request: `t` (seconds of the machine's monotonic clock, at
    arrival), `host`, `path`, `method`, `status`, `agent`. `workers` processes read the packages. Raises
    SpecError if the config names what is not installed, BuildError if the child dies before it serves.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(theirs, config, edition, access_log, workers), name="tidemill-web")
    child.start()
    theirs.close()
    try:
        try:
            web = ours.recv()
        except EOFError:
            child.join()
            raise BuildError(
                f"the loopback web ended with code {child.exitcode} (-9: killed, or out of memory) before it served"
            ) from None
        if isinstance(web, TidemillError):
            raise web
        yield web
    finally:
        child.kill()
        child.join()
        ours.close()
