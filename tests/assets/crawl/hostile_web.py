"""A small web on loopback that behaves as badly as a test asks it to, keeps its own log, and is crawled for real."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assets.captures import Capture, capture_shards, read_captures, read_payload
from assets.crawl.config import CrawlConfig
from assets.crawl.crawl import crawl
from assets.documents import read_dropped
from resources.build import Build, Outcome
from resources.store import Store

HTML = {"Content-Type": "text/html; charset=utf-8"}
Manner = Literal["whole", "drip", "endless", "cut"]


@dataclass(frozen=True)
class Reply:
    """An answer: `drip` sends a byte now and then for ever, `endless` never stops, `cut` ends before its length."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: HTML)
    manner: Manner = "whole"


@dataclass(frozen=True)
class Request:
    """A line of the server's log: `time_s` of arrival, in seconds of the monotonic clock."""

    time_s: float
    host: str
    path: str
    headers: Mapping[str, str]
    status: int


Handler = Callable[[str, Mapping[str, str]], Reply]


class HostileWeb:
    """Hosts by name on one port of 127.0.0.1; `replies` and `handlers` say what is there."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Reply] = {}
        self.handlers: dict[str, Handler] = {}
        self.log: list[Request] = []
        self.port = 0

    def page(self, host: str, path: str, *links: str, text: str = "words", head: str = "", **headers: str) -> None:
        anchors = "".join(f'<a href="{link}">link</a>' for link in links)
        body = f"<html><head>{head}</head><body><p>{text}</p>{anchors}</body></html>".encode()
        self.replies[host, path] = Reply(body, headers={**HTML, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def put(self, host: str, path: str, reply: Reply) -> None:
        self.replies[host, path] = reply

    def redirect(self, host: str, path: str, target: str) -> None:
        self.put(host, path, Reply(status=302, headers={"Location": target}))

    def robots(self, host: str, text: str) -> None:
        self.put(host, "/robots.txt", Reply(text.encode(), headers={"Content-Type": "text/plain"}))

    def requests(self, host: str, *, pages: bool = False) -> list[Request]:
        of_host = [request for request in self.log if request.host == host]
        return [request for request in of_host if request.path != "/robots.txt"] if pages else of_host

    @property
    def hosts(self) -> list[str]:
        return sorted({host for host, _ in self.replies} | set(self.handlers))

    def answer(self, host: str, path: str, headers: Mapping[str, str]) -> Reply:
        if host in self.handlers and path != "/robots.txt":
            return self.handlers[host](path, headers)
        reply = self.replies.get((host, path), Reply(b"nothing here", 404))
        etag, date = reply.headers.get("ETag"), reply.headers.get("Last-Modified")
        is_same = headers.get("if-none-match") == etag and headers.get("if-modified-since") == date
        return Reply(status=304, headers={"ETag": etag} if etag else {}) if (etag or date) and is_same else reply

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                arrived = time.monotonic()
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                path, host = head[0].split(" ")[1], headers["host"].partition(":")[0]
                reply = self.answer(host, path, headers)
                self.log.append(Request(arrived, host, path, headers, reply.status))
                await self._send(writer, reply)
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        length = {"whole": len(reply.body), "cut": len(reply.body) + 1000}.get(reply.manner)
        lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{name}: {value}" for name, value in reply.headers.items())]
        if length is not None and reply.status != 304:
            lines.append(f"Content-Length: {length}")
        writer.write("\r\n".join([*lines, "", ""]).encode("utf-8") + reply.body)
        await writer.drain()
        while reply.manner in ("drip", "endless"):
            writer.write(b"x" if reply.manner == "drip" else b"x" * 65536)
            await writer.drain()
            await asyncio.sleep(0.05 if reply.manner == "drip" else 0)
        if reply.manner == "cut":
            raise ConnectionError

    @contextmanager
    def served(self) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            server.close()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()


@dataclass(frozen=True)
class Crawled:
    """What a crawl left: its folder and outcome, and both as plain values."""

    folder: Path
    outcome: Outcome

    @property
    def captures(self) -> dict[str, Capture]:
        shards = range(capture_shards(self.folder))
        return {capture.url: capture for shard in shards for capture in read_captures(self.folder, shard)}

    @property
    def reasons(self) -> dict[str, str]:
        return {dropped.url: dropped.reason for dropped in read_dropped(self.folder)}

    def payload(self, url: str) -> bytes:
        return read_payload(self.folder, self.captures[url])

    def is_accounted(self) -> bool:
        stats = self.outcome.stats
        urls = set(self.captures) | set(self.reasons)
        dropped: int = sum(stats["dropped"].values())
        return stats["entered"] == stats["kept"] + dropped == len(self.captures) + len(self.reasons) == len(urls)

    def files(self) -> dict[str, str]:
        """SHA-256 of every file."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@dataclass(frozen=True)
class Field:
    """Where crawls are made, each in a folder of its own."""

    root: Path

    def build(self, name: str, partition: str = "2026-01-05", workers: int = 1) -> Build:
        scratch = self.root / name / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return Build(Store(self.root / name / "lake"), "raw_crawl/fp", scratch, partition, workers)

    def crawl(
        self,
        config: CrawlConfig,
        name: str = "one",
        partition: str = "2026-01-05",
        previous: Crawled | None = None,
        workers: int = 1,
    ) -> Crawled:
        build = self.build(name, partition, workers)
        outcome = crawl(build, config, previous.folder if previous else None)
        return Crawled(self.folder(name), outcome)

    def folder(self, name: str) -> Path:
        return self.root / name / "lake" / "raw_crawl" / "fp"


def site_config(web: HostileWeb, *seeds: str, **changes: Any) -> CrawlConfig:
    """A crawl of the hostile web from these seeds (all of its hosts where none is given), with little patience."""
    values: dict[str, Any] = {
        "source": {"kind": "site", "seeds": seeds or [f"http://{host}/" for host in web.hosts], "domains": ["test"]},
        "contact": "crawl@example.org",
        "allow_addresses": ["127.0.0.1/32"],
        "connect_to": {f"{host}:80": f"127.0.0.1:{web.port}" for host in web.hosts},
        "delay_s": 0.0,
        "back_off_s": 0.01,
        "retries": 1,
        "shards": 3,
    }
    limits = {"timeout_s": 5.0, **changes.pop("limits", {})}
    return CrawlConfig.model_validate({**values, "limits": limits, **changes})
