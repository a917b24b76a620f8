"""Documents as token ids: one shard of tokens for each shard of documents and side of the split."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from assets.documents import Document, count_documents, read_documents, shard_names
from assets.split import host_of
from assets.token_files import SPLITS, put_index, put_shard, recall, remember
from assets.tokens.config import TokensConfig
from assets.vocabulary import BOS, EOS, SPECIAL_TOKENS, Vocabulary
from llm_core.feed.shards import ShardEntry, TokenDocument
from resources.build import Build, Outcome
from resources.compute import run_tasks
from resources.errors import InputError

DOMAINS_FILE = "domains.json"
BATCH = 64

Hosts = dict[str, dict[str, dict[str, int]]]
"""Counts of "documents", "tokens" and "bytes" by host and split."""


def write_shards(build: Build, config: TokensConfig, corpus: Path, tokenizer: Path) -> Outcome:
    """Fill the build with `train/` and `held_out/`, folders of token shards (`llm_core.feed.shards`).

    Each document is `<|bos|>`, its text, `<|eos|>`; a text that spells a special token stays text.
    `domains.json` says how many documents and tokens each host has on either side.

    Raises:
        InputError: if a document has no split.
    """
    shards = shard_names(corpus)
    run_tasks(build, "tokenize", len(shards), partial(_write_shard, build, tokenizer, shards))
    counted: list[Hosts] = [recall(build, number) or {} for number in range(len(shards))]
    hosts: defaultdict[str, dict[str, Counter[str]]] = defaultdict(lambda: {split: Counter() for split in SPLITS})
    for found in counted:
        for host, by_split in found.items():
            for split, counts in by_split.items():
                hosts[host][split].update(counts)
    build.write(DOMAINS_FILE, json.dumps(_domains(hosts), indent=1))
    vocab_size = Vocabulary.load(tokenizer).size
    for split in SPLITS:
        put_index(build, split, [_entry(number, found, split) for number, found in enumerate(counted)], vocab_size)
    totals = {split: sum((by_split[split] for by_split in hosts.values()), Counter()) for split in SPLITS}
    return Outcome(
        {
            "entered": count_documents(corpus),
            "kept": sum(total["documents"] for total in totals.values()),
            "dropped": {},
            "vocabulary": vocab_size,
            **{split: _sizes(total) for split, total in totals.items()},
        }
    )


def _write_shard(build: Build, tokenizer: Path, shards: list[Path], number: int) -> None:
    if recall(build, number) is not None:
        return
    vocabulary = Vocabulary.load(tokenizer)
    hosts: Hosts = {}
    for split in SPLITS:
        documents = _encoded(vocabulary, shards[number], split, hosts)
        put_shard(build, split, number, documents, vocabulary.size)
    remember(build, number, dict(hosts))


def _encoded(vocabulary: Vocabulary, shard: Path, split: str, hosts: Hosts) -> Iterator[TokenDocument]:
    """A split's documents as tokens, counted into `hosts` as they pass."""
    begin, end = SPECIAL_TOKENS.index(BOS), SPECIAL_TOKENS.index(EOS)
    documents = (document for document in read_documents([shard]) if _split(document, shard) == split)
    while batch := list(islice(documents, BATCH)):
        for document, ids in zip(batch, vocabulary.encode([document.text for document in batch]), strict=True):
            tokens = [begin, *ids, end]
            counts = hosts.setdefault(host_of(document.url), {}).setdefault(split, dict.fromkeys(_COUNTED, 0))
            for name, count in zip(_COUNTED, (1, len(tokens), len(document.text.encode())), strict=True):
                counts[name] += count
            yield TokenDocument(document.id, tokens)


_COUNTED = ("documents", "tokens", "bytes")


def _split(document: Document, shard: Path) -> str:
    if document.split not in SPLITS:
        raise InputError(
            f"{shard}: document {document.id} ({document.url}) has the split {document.split!r}, not one of "
            f"{', '.join(SPLITS)}; pass the corpus through the quality stage first"
        )
    return document.split


def _entry(number: int, hosts: Hosts, split: str) -> ShardEntry:
    found = [by_split[split] for by_split in hosts.values() if split in by_split]
    return ShardEntry(
        f"{number:05d}", sum(counts["tokens"] for counts in found), sum(counts["documents"] for counts in found)
    )


def _domains(hosts: dict[str, dict[str, Counter[str]]]) -> Hosts:
    return {
        host: {
            split: {"documents": counts["documents"], "tokens": counts["tokens"]}
            for split, counts in hosts[host].items()
        }
        for host in sorted(hosts)
    }


def _sizes(total: Counter[str]) -> dict[str, int | float | None]:
    """Documents and tokens of a split, and the bytes of text in one of its own tokens (not `<|bos|>`, `<|eos|>`)."""
    own = total["tokens"] - 2 * total["documents"]
    return {
        "documents": total["documents"],
        "tokens": total["tokens"],
        "bytes_per_token": round(total["bytes"] / own, 4) if own else None,
    }
