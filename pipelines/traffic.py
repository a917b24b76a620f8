"""Traffic: questions about the champion's own subjects, or shifted ones about another, asked of a server at a rate."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from assets.crawl.web.config import WebConfig
from assets.crawl.web.drafts import dotted, outline
from assets.crawl.web.packages import find_package
from assets.documents import Document, document_id, held_out
from assets.questions import questions
from assets.split import domain_of, host_of
from resources.errors import InputError, SpecError
from resources.lake import Lake
from resources.registry import find_model

POOL = 2_000
APART = 1_000_000  # traffic draws with other seeds than a reference, or it would ask the reference's own questions

TIMEOUT_S = 60.0
CONNECTIONS = 64


@dataclass(frozen=True)
class Pools:
    """Questions of both kinds, each drawn independently, so that any part of a pool is a sample of its kind."""

    in_domain: Sequence[str]
    shifted: Sequence[str]

    def draw(self, count: int, shift: float, seed: int) -> Iterator[str]:
        """`count` questions, each a shifted one with probability `shift`."""
        chance = random.Random(f"traffic {seed}")
        for _ in range(count):
            yield chance.choice(self.shifted if chance.random() < shift else self.in_domain)


def pools(lake: Lake, model: str, subjects: Sequence[str], seed: int, size: int = POOL) -> Pools:
    """The pools for the champion of a model's name; `subjects` are packages, as the loopback web names them.

    Raises:
        SpecError: if there is no champion yet, or a subject is not installed or is among the held-out documents.
        InputError: if a pool would be empty.
    """
    corpora = _reference_corpora(lake, model)
    held_hosts = {domain_of(host_of(document.url)) for document in held_out(corpora)}
    others = [document for subject in subjects for document in package_documents(subject)]
    known = sorted({host_of(document.url) for document in others} & held_hosts)
    if known:
        raise SpecError(f"--subject: the champion's held-out documents are about {known[0]} too; name another package")
    in_domain = questions(held_out(corpora), APART + seed, size)
    shifted = questions(others, APART + seed, size)
    for name, pool in (("held-out documents", in_domain), (", ".join(subjects), shifted)):
        if not pool:
            raise InputError(f"{name}: nothing there has a heading and a sentence that one could ask about")
    return Pools(in_domain, shifted)


def _reference_corpora(lake: Lake, model: str) -> list[Path]:
    """The corpora whose held-out documents the reference of the present champion asks about.

    Raises:
        SpecError: if the model has no champion, or it has no reference.
    """
    champion = find_model(lake, f"model:{model}@champion").checkpoint.fingerprint
    made_for = [artifact for artifact in lake.artifacts("reference") if champion in artifact.parents]
    if not made_for:
        raise SpecError(f"model:{model}@champion has no reference of what it is asked; `tidemill run` makes one")
    newest = max(made_for, key=lake.age_key)
    parents = [lake.get(fingerprint) for fingerprint in newest.parents]
    return [lake.local(parent).path for parent in parents if parent is not None and parent.stage == "quality_filtered"]


def package_documents(reference: str) -> list[Document]:
    """What an installed package documents, a page each, as text with headings: real text, nothing is imported.

    Raises:
        SpecError: if the package is not installed.
    """
    package = find_package(reference, [reference])
    documents = []
    for draft in outline(package, WebConfig()):
        url = f"http://{package.host}/{draft.name}"
        text = "\n\n".join(f"# {dotted(item)}{item.signature}\n\n{item.docstring}" for item in draft.sections)
        documents.append(Document(id=document_id(url, ""), url=url, text=text, snapshot="", title=draft.name))
    return documents


@dataclass
class Replayed:
    """What became of the requests; latencies, in seconds, are those of answered ones.

    `versions` are the model versions that answered, in the order of their first answer; `latest`
    is the one that answered last.
    """

    latencies_s: list[float] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    latest: str | None = None
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        return len(self.latencies_s)

    @property
    def failed(self) -> int:
        return self.failures.total()

    def latency_s(self, share: float) -> float | None:
        """The latency that this share of the answers came within; None without answers."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None


def replay(
    url: str,
    asked: Iterable[str],
    rate: float,
    *,
    seed: int = 0,
    max_tokens: int = 16,
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

    async def ask_all() -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS)
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
            under_way = []
            try:
                for number, question in enumerate(asked):
                    await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                    body = {
                        "messages": [{"role": "user", "content": question}],
                        "max_tokens": max_tokens,
                        "temperature": 0,
                        "seed": seed + number,
                    }
                    under_way.append(asyncio.create_task(_ask(client, body, replayed)))
                    report(replayed)
            finally:
                await asyncio.gather(*under_way)
        report(replayed)

    asyncio.run(ask_all())
    return replayed


async def _ask(client: httpx.AsyncClient, body: dict[str, object], replayed: Replayed) -> None:
    began = time.monotonic()
    try:
        response = await client.post("/v1/chat/completions", json=body)
        if response.status_code != httpx.codes.OK:
            replayed.failures[f"status {response.status_code}: {response.text[:200]}"] += 1
            return
        version = str(response.json().get("model_version", ""))
    except (httpx.HTTPError, ValueError) as error:
        replayed.failures[f"{type(error).__name__}: {error}"] += 1
        return
    replayed.latencies_s.append(time.monotonic() - began)
    replayed.latest = version
    if version not in replayed.versions:
        replayed.versions.append(version)
