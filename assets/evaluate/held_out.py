"""The documents that judge: an even sample of what was held out, with its tokens and where it came from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from assets.documents import read_documents, shard_names
from assets.evaluate.config import EvaluateConfig
from assets.split import domain_of, host_of
from llm_core.feed.shards import Shards, Span
from resources.errors import InputError

Tokens = npt.NDArray[np.int64]
Unit = Literal["host", "page"]
COLUMNS = ["id", "url", "split"]


@dataclass(frozen=True)
class HeldOutDocument:
    """A document to be scored: `tokens` are its own, without the special ones around it; `domain` is its group."""

    id: str
    url: str
    text: str
    host: str
    domain: str
    snapshot: str
    tokens: Tokens

    @property
    def size_bytes(self) -> int:
        return len(self.text.encode())


@dataclass(frozen=True)
class HeldOut:
    """The sample, the token that each document is read from, and what was drawn when documents were held out.

    `unit` is "host" where whole hosts were held out, "page" where held-out and training pages share
    hosts. Results vary as that draw does, so it is the unit that intervals are made over.
    """

    documents: tuple[HeldOutDocument, ...]
    start: int
    unit: Unit


@dataclass(frozen=True)
class _Place:
    folder: int
    span: Span
    url: str
    domain: str


def read_held_out(
    shards: Sequence[Path], corpora: Sequence[Path], specials: frozenset[int], config: EvaluateConfig
) -> HeldOut:
    """Draw the held-out documents of all snapshots, evenly within each domain, in the order of their ids.

    Args:
        shards: folders of token shards, each with `held_out/`.
        corpora: folders of documents that they were made from.
        specials: ids of special tokens; those around a document are no part of it.

    Raises:
        InputError: if nothing was held out, or shards and corpora do not belong together.
    """
    known, unit = _held_out_urls(corpora)
    opened = [Shards(folder / "held_out") for folder in shards]
    places: defaultdict[str, list[_Place]] = defaultdict(list)
    grouped = {domain_of(host): name for name, hosts in config.domains.items() for host in hosts}
    for number, folder in enumerate(opened):
        for span in folder.spans(0, folder.tokens):
            if span.document not in known:
                raise InputError(
                    f"{folder.folder}: document {span.document} is not among the held-out documents of "
                    f"{', '.join(map(str, corpora))}; give the corpora that the shards were made from"
                )
            host = domain_of(host_of(known[span.document]))
            domain = grouped.get(host, host or "(no host)")
            places[domain].append(_Place(number, span, known[span.document], domain))
    if not places:
        raise InputError(
            f"{', '.join(str(folder / 'held_out') for folder in shards)}: no document is held out, so no model can be "
            "judged; name quality.split.held_out_hosts or raise quality.split.held_out_share"
        )
    chosen = [place for domain in sorted(places) for place in _draw(places[domain], len(places), config)]
    chosen.sort(key=lambda place: place.span.document)
    raw = {place.span.document: _read(opened[place.folder], place.span) for place in chosen}
    start = start_token([raw[place.span.document] for place in chosen], specials)
    return HeldOut(_with_texts(chosen, raw, corpora, specials), start, unit)


def start_token(documents: Sequence[Tokens], specials: frozenset[int]) -> int:
    """The special token after which a document begins in training: at its own head, or at the end of the one before.

    Raises:
        InputError: if documents stand in the shards without one.
    """
    for tokens in documents:
        for token in (int(tokens[0]), int(tokens[-1])):
            if token in specials:
                return token
    raise InputError("no held-out document begins or ends with a special token; write the shards with one")


def own_tokens(tokens: Tokens, specials: frozenset[int]) -> Tokens:
    """A document's tokens without the special ones at either end."""
    own = np.flatnonzero(~np.isin(tokens, list(specials)))
    return tokens[own[0] : own[-1] + 1] if own.size else tokens[:0]


def draw_key(seed: int, name: str) -> bytes:
    """Where a name comes in a seeded order that is even over names."""
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).digest()


def _held_out_urls(corpora: Sequence[Path]) -> tuple[dict[str, str], Unit]:
    """URL by id of what is held out, and whether hosts or pages were."""
    held_out: dict[str, str] = {}
    training_hosts: set[str] = set()
    for folder in corpora:
        for path in shard_names(folder):
            rows: Mapping[str, list[Any]] = pq.read_table(path, columns=COLUMNS).to_pydict()
            for name, url, split in zip(*(rows[column] for column in COLUMNS), strict=True):
                if split == "held_out":
                    held_out[name] = url
                else:
                    training_hosts.add(host_of(url))
    is_by_page = any(host_of(url) in training_hosts for url in held_out.values())
    return held_out, "page" if is_by_page else "host"


def _draw(places: Sequence[_Place], domains: int, config: EvaluateConfig) -> list[_Place]:
    """A domain's share: documents in a seeded order until one would go past the tokens; the first always."""
    chosen: list[_Place] = []
    tokens = 0
    for place in sorted(places, key=lambda place: draw_key(config.seed, place.span.document)):
        tokens += place.span.stop - place.span.start
        if chosen and (tokens > config.tokens // domains or len(chosen) == config.documents_per_domain):
            break
        chosen.append(place)
    return chosen


def _read(folder: Shards, span: Span) -> Tokens:
    return folder.read(span.start, span.stop - span.start)


def _with_texts(
    chosen: Sequence[_Place], raw: Mapping[str, Tokens], corpora: Sequence[Path], specials: frozenset[int]
) -> tuple[HeldOutDocument, ...]:
    domains = {place.span.document: place.domain for place in chosen}
    found = {
        document.id: HeldOutDocument(
            id=document.id,
            url=document.url,
            text=document.text,
            host=domain_of(host_of(document.url)),
            domain=domains[document.id],
            snapshot=document.snapshot,
            tokens=own_tokens(raw[document.id], specials),
        )
        for folder in corpora
        for document in read_documents(folder)
        if document.id in domains
    }
    documents = tuple(found[place.span.document] for place in chosen)
    empty = next((document for document in documents if not document.tokens.size or not document.text), None)
    if empty is not None:
        raise InputError(f"held-out document {empty.id} ({empty.url}) has no text or no tokens; drop it upstream")
    return documents
