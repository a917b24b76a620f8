"""Token shards: flat files of ids, an index of document spans beside each, opened as memory maps.

A folder holds, for each shard ``NAME`` (``00000``, ``00001``, …):

- ``NAME.tokens.bin``: the ids, little-endian uint16, or uint32 where the vocabulary needs it;
- ``NAME.spans.npy``: one record per document (``SPAN``); in file order, and they tile the token file;
- ``NAME.loss.bin`` (optional, then in every shard): one uint8 per token, 1 where the token is a target;

and ``index.json``, written last: dtype, vocabulary size, and each shard's counts. No file is read before it is needed,
so a folder of any size opens at once.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_core.durable import write_json, write_whole
from llm_core.errors import LLMCoreError

SPAN = np.dtype([("document", "S32"), ("start", "<i8"), ("length", "<i4")])
"""A document's place in its shard: hexadecimal id, first token, number of tokens."""

INDEX = "index.json"
FORMAT = "llm_core-shards-1"

Array = npt.NDArray[Any]


class ShardError(LLMCoreError):
    """A shard folder is absent, incomplete or contradicts its index, or a document cannot be written to one."""


@dataclass(frozen=True)
class TokenDocument:
    """A document as it goes into a shard: its id, its tokens, and which of them are targets (None: all)."""

    id: str
    tokens: Sequence[int] | Array
    loss: Sequence[int] | Array | None = None


@dataclass(frozen=True)
class ShardEntry:
    """What the index says of a shard."""

    name: str
    tokens: int
    documents: int


@dataclass(frozen=True)
class Span:
    """A document's tokens in the stream of all shards: ``[start, stop)``."""

    document: str
    start: int
    stop: int


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The narrowest type on disk that holds every id: uint16 up to 65,536 tokens, uint32 above."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def write_shard(folder: Path, number: int, documents: Iterable[TokenDocument], vocab_size: int) -> ShardEntry:
    """Write one shard, each file whole or not at all; workers may write different numbers at the same time.

    Raises:
        ShardError: if a document has no tokens, an id past the vocabulary, a name that is too long, or a loss mask of
            another length or only in some documents.
    """
    name = f"{number:05d}"
    ids: list[Array] = []
    masks: list[Array] = []
    spans: list[tuple[bytes, int, int]] = []
    start = 0
    for document in documents:
        where, identity = f"document {document.id!r} of shard {folder / name}", document.id.encode()
        tokens = np.asarray(document.tokens, dtype=np.int64)
        if not 0 < len(identity) <= 32:
            raise ShardError(f"{where}: its id has {len(identity)} bytes; give it 1 to 32 hex digits")
        if tokens.size == 0:
            raise ShardError(f"{where} has no tokens; drop it before it is written")
        if tokens.min() < 0 or tokens.max() >= vocab_size:
            raise ShardError(f"{where} has token {tokens.max()}; ids must lie in [0, {vocab_size}): wrong tokenizer?")
        ids.append(tokens.astype(token_dtype(vocab_size)))
        spans.append((identity, start, tokens.size))
        start += tokens.size
        if document.loss is not None:
            masks.append(np.asarray(document.loss, dtype=np.uint8))
            if masks[-1].size != tokens.size:
                raise ShardError(f"{where} has {tokens.size} tokens and {masks[-1].size} loss marks; give one a token")
    if masks and len(masks) != len(ids):
        raise ShardError(f"shard {folder / name}: only {len(masks)} of {len(ids)} documents have a loss mask; give all")

    write_whole(folder / f"{name}.spans.npy", lambda draft: np.save(draft, np.array(spans, dtype=SPAN)))
    if masks:
        write_whole(folder / f"{name}.loss.bin", lambda draft: np.concatenate(masks).tofile(draft))
    tokens = np.concatenate([np.empty(0, token_dtype(vocab_size)), *ids])
    write_whole(folder / f"{name}.tokens.bin", lambda draft: tokens.tofile(draft))
    return ShardEntry(name, start, len(spans))


def write_index(folder: Path, entries: Sequence[ShardEntry], vocab_size: int, has_loss: bool = False) -> None:
    """Write the index, last of all: with it the folder is whole. Shards are read in the order of ``entries``."""
    index = {
        "format": FORMAT,
        "dtype": token_dtype(vocab_size).name,
        "vocab_size": vocab_size,
        "has_loss": has_loss,
        "shards": [asdict(entry) for entry in entries],
    }
    write_json(folder / INDEX, index, indent=1)


class Shards:
    """Read a shard folder as one stream of tokens, numbered from 0 over all shards."""

    def __init__(self, folder: Path | str) -> None:
        """Open a folder: reads the index alone and compares every file's size with it.

        Raises:
            ShardError: if the folder has no index, or a file is absent or of another size.
        """
        self.folder = Path(folder)
        path = self.folder / INDEX
        try:
            index = json.loads(path.read_bytes())
            if index["format"] != FORMAT:
                raise ShardError(f"{path}: format {index['format']!r} is not {FORMAT!r}; write the shards anew")
            self.vocab_size: int = index["vocab_size"]
            self.has_loss: bool = index["has_loss"]
            self.entries = tuple(ShardEntry(**shard) for shard in index["shards"])
        except FileNotFoundError as error:
            raise ShardError(f"{path} does not exist: no shard folder, or one whose writer was stopped") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{path} is no index of shards ({error!r}); write the shards anew") from error
        self.dtype = token_dtype(self.vocab_size)
        self.offsets = [0]
        for entry in self.entries:
            self.offsets.append(self.offsets[-1] + entry.tokens)
            self._check_size(entry, "tokens.bin", entry.tokens * self.dtype.itemsize)
            if self.has_loss:
                self._check_size(entry, "loss.bin", entry.tokens)
        self.tokens, self.documents = self.offsets[-1], sum(entry.documents for entry in self.entries)

    def _check_size(self, entry: ShardEntry, suffix: str, expected: int) -> None:
        path = self.folder / f"{entry.name}.{suffix}"
        if not path.exists():
            raise ShardError(f"{path} does not exist, though {INDEX} lists it; write the shards anew")
        if path.stat().st_size != expected:
            raise ShardError(f"{path} has {path.stat().st_size} bytes, {INDEX} says {expected}; write the shards anew")

    @cached_property
    def _token_maps(self) -> list[Array]:
        return [np.memmap(self.folder / f"{entry.name}.tokens.bin", self.dtype, mode="r") for entry in self.entries]

    @cached_property
    def _loss_maps(self) -> list[Array]:
        return [np.memmap(self.folder / f"{entry.name}.loss.bin", np.uint8, mode="r") for entry in self.entries]

    @cached_property
    def _span_maps(self) -> list[Array]:
        maps = []
        for entry in self.entries:
            path = self.folder / f"{entry.name}.spans.npy"
            try:
                spans = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise ShardError(f"{path} cannot be read ({error}); write the shards anew") from error
            ends_well = len(spans) == entry.documents > 0 and spans[-1]["start"] + spans[-1]["length"] == entry.tokens
            if spans.dtype != SPAN or not ends_well:
                raise ShardError(f"{path} does not tile its {entry.tokens} tokens; write the shards anew")
            maps.append(spans)
        return maps

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Copy ``count`` tokens of the stream from ``start`` on, across shards where need be."""
        return self._read(self._token_maps, start, count).astype(np.int64)

    def read_loss(self, start: int, count: int) -> npt.NDArray[np.bool_]:
        """Which of these tokens are targets; all of them where the folder has no loss masks."""
        if not self.has_loss:
            return np.ones(count, dtype=np.bool_)
        return self._read(self._loss_maps, start, count).astype(np.bool_)

    def _read(self, maps: list[Array], start: int, count: int) -> Array:
        if start < 0 or count < 1 or start + count > self.tokens:
            raise ShardError(f"tokens [{start}, {start + count}) were asked of {self.folder}, which has {self.tokens}")
        shard = bisect_right(self.offsets, start) - 1
        parts = []
        while count > 0:
            begin = start - self.offsets[shard]
            parts.append(maps[shard][begin : begin + count])
            start, count, shard = start + len(parts[-1]), count - len(parts[-1]), shard + 1
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def spans(self, start: int, stop: int) -> list[Span]:
        """The documents with a token in ``[start, stop)``, in order; O(log documents + found)."""
        found: list[Span] = []
        for shard, offset in enumerate(self.offsets[:-1]):
            if offset >= stop or self.offsets[shard + 1] <= start:
                continue
            spans = self._span_maps[shard]
            row = bisect_right(spans, start - offset, key=lambda span: int(span["start"])) - 1
            for record in spans[max(row, 0) :]:
                if offset + record["start"] >= stop:
                    break
                found.append(_span(record, offset))
        return found

    def find(self, documents: Iterable[str]) -> list[Span]:
        """Where these documents lie, in stream order; ids that the folder lacks are left out. O(documents)."""
        wanted = np.array(sorted({document.encode() for document in documents}), dtype="S32")
        found: list[Span] = []
        for spans, offset in zip(self._span_maps if wanted.size else (), self.offsets, strict=False):
            names = spans["document"]
            rows = names == wanted[0] if wanted.size == 1 else np.isin(names, wanted)
            found += [_span(record, offset) for record in spans[rows]]
        return found


def _span(record: np.void, offset: int) -> Span:
    start = offset + int(record["start"])
    return Span(record["document"].decode(), start, start + int(record["length"]))
