"""Documents as token ids: one shard of tokens for each shard of documents and side of the split."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from assets.documents import Document, count_documents, read_documents, shard_names
from assets.token_files import SPLITS, put_index, put_shard, recall, remember
from assets.vocabulary import BOS, EOS, SPECIAL_TOKENS, Vocabulary
from llm_core.feed.shards import ShardEntry, TokenDocument
from resources.build import Build, Outcome
from resources.compute import run_tasks
from resources.errors import InputError

BATCH = 64


def write_shards(build: Build, corpus: Path, tokenizer: Path) -> Outcome:
    """Fill the build with `train/` and `held_out/`, folders of token shards (`llm_core.feed.shards`).

    Each document is `<|bos|>`, its text, `<|eos|>`; a text that spells a special token stays text.

    Raises:
        InputError: if a document has no split.
    """
    shards = shard_names(corpus)
    run_tasks(build, "tokenize", len(shards), partial(_write_shard, build, tokenizer, shards))
    vocab_size = Vocabulary.load(tokenizer).size
    counted = [recall(build, number) or {} for number in range(len(shards))]
    totals: dict[str, Counter[str]] = {}
    for split in SPLITS:
        counts = [Counter(found[split]) for found in counted]
        entries = [ShardEntry(f"{n:05d}", found["tokens"], found["documents"]) for n, found in enumerate(counts)]
        put_index(build, split, entries, vocab_size)
        totals[split] = sum(counts, Counter())
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
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for split in SPLITS:
        put_shard(build, split, number, _encoded(vocabulary, shards[number], split, counts[split]), vocabulary.size)
    remember(build, number, counts)


def _encoded(vocabulary: Vocabulary, shard: Path, split: str, counts: Counter[str]) -> Iterator[TokenDocument]:
    """A split's documents as tokens, counted ("documents", "tokens", "bytes") as they pass."""
    begin, end = SPECIAL_TOKENS.index(BOS), SPECIAL_TOKENS.index(EOS)
    documents = (document for document in read_documents([shard]) if _split(document, shard) == split)
    while batch := list(islice(documents, BATCH)):
        for document, ids in zip(batch, vocabulary.encode([document.text for document in batch]), strict=True):
            tokens = [begin, *ids, end]
            counts.update(documents=1, tokens=len(tokens), bytes=len(document.text.encode()))
            yield TokenDocument(document.id, tokens)


def _split(document: Document, shard: Path) -> str:
    if document.split not in SPLITS:
        raise InputError(
            f"{shard}: document {document.id} ({document.url}) has the split {document.split!r}, not one of "
            f"{', '.join(SPLITS)}; pass the corpus through the quality stage first"
        )
    return document.split


def _sizes(total: Counter[str]) -> dict[str, int | float | None]:
    """Documents and tokens of a split, and the bytes of text in one of its own tokens (not `<|bos|>`, `<|eos|>`)."""
    own = total["tokens"] - 2 * total["documents"]
    return {
        "documents": total["documents"],
        "tokens": total["tokens"],
        "bytes_per_token": round(total["bytes"] / own, 4) if own else None,
    }
