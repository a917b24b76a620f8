"""Asks a server questions at a rate, whether it keeps up or not, and keeps account of the answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx

MAX_TOKENS = 16
TIMEOUT_S = 60.0
CONNECTIONS = 64


@dataclass
class Replayed:
    """What became of the requests; latencies, in seconds, are those of answered ones.

    `versions` are the model versions that answered, in the order of their first answer; `latest`
    is the one that answered last.
    """

    answered: int = 0
    failed: int = 0
    latencies_s: list[float] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    latest: str | None = None
    failures: Counter[str] = field(default_factory=Counter)

    def latency_s(self, share: float) -> float | None:
        """The latency that this share of the answers came within; None without answers."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None

    def add(self, latency_s: float, version: str) -> None:
        self.answered += 1
        self.latencies_s.append(latency_s)
        self.latest = version
        if version not in self.versions:
            self.versions.append(version)

    def fail(self, reason: str) -> None:
        self.failed += 1
        self.failures[reason] += 1


def replay(
    url: str,
    asked: Iterable[str],
    rate: float,
    *,
    seed: int = 0,
    max_tokens: int = MAX_TOKENS,
    into: Replayed | None = None,
    report: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Ask each question as a chat of one turn, `rate` a second, and wait for the last answer.

    The i-th is sent i / rate seconds after the first, however long the ones before take (an open
    loop: a slow server does not slow its users down). Nothing is tried again: what is not answered
    with 200 has failed. `asked` may be endless in the sense that it decides, question by question,
    whether there is another.
    """
    replayed = Replayed() if into is None else into
    asyncio.run(_replay(url.rstrip("/"), asked, rate, seed, max_tokens, replayed, report))
    return replayed


async def _replay(
    url: str,
    asked: Iterable[str],
    rate: float,
    seed: int,
    max_tokens: int,
    replayed: Replayed,
    report: Callable[[Replayed], None],
) -> None:
    limits = httpx.Limits(max_connections=CONNECTIONS)
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
        under_way: set[asyncio.Task[None]] = set()
        try:
            for number, question in enumerate(asked):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                body = {
                    "messages": [{"role": "user", "content": question}],
                    "max_tokens": max_tokens,
                    "temperature": 0,
                    "seed": seed + number,
                }
                task = asyncio.create_task(_ask(client, body, replayed))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                report(replayed)
        finally:
            await asyncio.gather(*under_way)
    report(replayed)


async def _ask(client: httpx.AsyncClient, body: dict[str, object], replayed: Replayed) -> None:
    began = time.monotonic()
    try:
        response = await client.post("/v1/chat/completions", json=body)
    except httpx.HTTPError as error:
        replayed.fail(f"{type(error).__name__}: {error}")
        return
    if response.status_code == httpx.codes.OK:
        replayed.add(time.monotonic() - began, str(response.json().get("model_version", "")))
    else:
        replayed.fail(f"status {response.status_code}: {response.text[:200]}")
