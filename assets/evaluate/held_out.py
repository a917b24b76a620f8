"""The documents that judge: an even sample of what was held out, with its tokens and where it came from."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from assets.documents import read_batches, read_documents, shard_names
from assets.evaluate.config import EvaluateConfig
from assets.likelihood import Tokens
from assets.split import domain_of, host_of
from assets.vocabulary import BOS, SPECIAL_TOKENS, Vocabulary
from llm_core.feed.shards import Shards, Span
from resources.errors import InputError

Unit = Literal["host", "page"]
"""What was drawn when documents were held out: hosts, or pages where both sides of the split share hosts.

Results vary as that draw does, so it is the unit that intervals are made over."""


@dataclass(frozen=True)
class HeldOutDocument:
    """A document to be scored: `tokens` as models read them, `<|bos|>` and its own; `domain` is its host."""

    id: str
    url: str
    text: str
    domain: str
    snapshot: str
    tokens: Tokens


def read_held_out(
    shards: Sequence[Path], corpora: Sequence[Path], config: EvaluateConfig
) -> tuple[list[HeldOutDocument], Unit]:
    """Draw the held-out documents of all snapshots, evenly within each domain, in the order of their ids.

    `shards` are folders with `held_out/`, `corpora` the folders of documents that they were made from.

    Raises:
        InputError: if nothing was held out, or shards and corpora do not belong together.
    """
    hosts, unit = _held_out_hosts(corpora)
    places: defaultdict[str, list[tuple[Shards, Span]]] = defaultdict(list)
    for opened in (Shards(folder / "held_out") for folder in shards):
        for span in opened.spans(0, opened.tokens):
            if span.document not in hosts:
                raise InputError(
                    f"{opened.folder}: document {span.document} is not among the held-out documents of "
                    f"{', '.join(map(str, corpora))}; give the corpora that the shards were made from"
                )
            places[hosts[span.document]].append((opened, span))
    if not places:
        raise InputError(
            f"{', '.join(str(folder / 'held_out') for folder in shards)}: no document is held out, so no model can be "
            "judged; name quality.split.held_out_hosts or raise quality.split.held_out_share"
        )
    chosen = {
        span.document: opened.read(span.start, span.stop - span.start - 1)  # without `<|eos|>`
        for part in places.values()
        for opened, span in _draw(part, len(places), config)
    }
    found = []
    for d in (document for folder in corpora for document in read_documents(folder) if document.id in chosen):
        tokens = chosen[d.id]
        if tokens.size < 2 or not d.text:
            raise InputError(f"held-out document {d.id} ({d.url}) has no text or tokens; drop it upstream")
        found.append(HeldOutDocument(d.id, d.url, d.text, hosts[d.id], d.snapshot, tokens))
    return sorted(found, key=lambda document: document.id), unit


def tokenized_by(vocabulary: Vocabulary, documents: Sequence[HeldOutDocument]) -> list[HeldOutDocument]:
    """The documents with the tokens of another vocabulary than their shards have."""
    encoded = vocabulary.encode([document.text for document in documents])
    begin = SPECIAL_TOKENS.index(BOS)
    return [replace(d, tokens=np.array([begin, *ids])) for d, ids in zip(documents, encoded, strict=True)]


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
                host = domain_of(host_of(row["url"])) or "(no host)"
                if row["split"] == "held_out":
                    held_out[row["id"]] = host
                else:
                    training.add(host)
    return held_out, "host" if training.isdisjoint(held_out.values()) else "page"


def _draw(places: Sequence[tuple[Shards, Span]], domains: int, config: EvaluateConfig) -> list[tuple[Shards, Span]]:
    """A domain's share: documents in a seeded order until one would go past the tokens; the first always."""
    chosen: list[tuple[Shards, Span]] = []
    tokens = 0
    for opened, span in sorted(places, key=lambda place: draw_key(config.seed, place[1].document)):
        tokens += span.stop - span.start
        if chosen and (tokens > config.tokens // domains or len(chosen) == config.documents_per_domain):
            break
        chosen.append((opened, span))
    return chosen
