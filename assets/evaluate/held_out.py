"""The documents that judge: an even sample of what was held out, with its tokens and where it came from."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from assets.documents import read_batches, read_documents, shard_names
from assets.evaluate.config import EvaluateConfig
from assets.split import domain_of, host_of
from llm_core.feed.shards import Shards, Span
from resources.errors import InputError

Tokens = npt.NDArray[np.int64]
Unit = Literal["host", "page"]


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
    shards: Shards
    span: Span
    domain: str

    def read(self) -> Tokens:
        return self.shards.read(self.span.start, self.span.stop - self.span.start)


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
    hosts, unit = _held_out_hosts(corpora)
    grouped = {domain_of(host): name for name, named in config.domains.items() for host in named}
    places: defaultdict[str, list[_Place]] = defaultdict(list)
    for opened in (Shards(folder / "held_out") for folder in shards):
        for span in opened.spans(0, opened.tokens):
            if span.document not in hosts:
                raise InputError(
                    f"{opened.folder}: document {span.document} is not among the held-out documents of "
                    f"{', '.join(map(str, corpora))}; give the corpora that the shards were made from"
                )
            host = hosts[span.document]
            domain = grouped.get(host, host or "(no host)")
            places[domain].append(_Place(opened, span, domain))
    if not places:
        raise InputError(
            f"{', '.join(str(folder / 'held_out') for folder in shards)}: no document is held out, so no model can be "
            "judged; name quality.split.held_out_hosts or raise quality.split.held_out_share"
        )
    chosen = {place.span.document: place for part in places.values() for place in _draw(part, len(places), config)}
    tokens = {name: chosen[name].read() for name in sorted(chosen)}
    found = {
        d.id: HeldOutDocument(
            d.id, d.url, d.text, hosts[d.id], chosen[d.id].domain, d.snapshot, own_tokens(tokens[d.id], specials)
        )
        for folder in corpora
        for d in read_documents(folder)
        if d.id in chosen
    }
    for document in found.values():
        if not document.tokens.size or not document.text:
            raise InputError(
                f"held-out document {document.id} ({document.url}) has no text or tokens; drop it upstream"
            )
    return HeldOut(tuple(found[name] for name in tokens), start_token(list(tokens.values()), specials), unit)


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


def _held_out_hosts(corpora: Sequence[Path]) -> tuple[dict[str, str], Unit]:
    """Host by id of what is held out, and whether hosts or pages were."""
    held_out: dict[str, str] = {}
    training: set[str] = set()
    for path in (path for folder in corpora for path in shard_names(folder)):
        for batch in read_batches(path, ["id", "url", "split"]):
            for row in batch.to_pylist():
                host = domain_of(host_of(row["url"]))
                if row["split"] == "held_out":
                    held_out[row["id"]] = host
                else:
                    training.add(host)
    return held_out, "host" if training.isdisjoint(held_out.values()) else "page"


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
