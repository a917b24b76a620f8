"""Batches: the rows of a step as tensors, the next one made while this one is computed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llm_core.errors import ConfigError
from llm_core.feed.order import Order, count_windows
from llm_core.feed.shards import Shards
from llm_core.feed.skip import MaskedSpans, SkipList


@dataclass(frozen=True)
class Batch:
    """One process's rows of a step."""

    step: int
    tokens: Tensor
    """(rows, length) int64: what the model reads; a masked token reads as 0."""
    targets: Tensor
    """(rows, length) int64: the token after each."""
    weights: Tensor | None
    """(rows, length) float32: 1 where the target counts, else 0; None: all count."""
    documents: Tensor | None
    """(rows, length) int64: equal where tokens may attend to each other, -1 where masked; None: plain causal."""
    targets_in_step: int
    """How many targets count in the whole step, over all processes: the loss's normaliser."""

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, rows: int) -> Iterator[Batch]:
        """Cut into micro-batches of at most this many rows."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield self._map(lambda tensor, part=part: tensor[part])  # type: ignore[misc]

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; copies overlap with computing where the device can."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        weights = None if self.weights is None else change(self.weights)
        documents = None if self.documents is None else change(self.documents)
        return replace(
            self, tokens=change(self.tokens), targets=change(self.targets), weights=weights, documents=documents
        )


@dataclass(frozen=True)
class Rows:
    """Windows read from shards, as arrays; see ``Batch`` for the meaning. ``ids`` are (rows, length + 1)."""

    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32] | None
    documents: npt.NDArray[np.int64] | None

    def batch(self, step: int, part: slice, targets_in_step: int) -> Batch:
        """Some of the rows as a batch."""
        return Batch(
            step,
            torch.from_numpy(self.ids[part, :-1].copy()),
            torch.from_numpy(self.ids[part, 1:].copy()),
            None if self.weights is None else torch.from_numpy(self.weights[part]),
            None if self.documents is None else torch.from_numpy(self.documents[part]),
            targets_in_step,
        )

    @property
    def targets(self) -> int:
        """How many targets count."""
        return self.ids[:, 1:].size if self.weights is None else int(self.weights.sum(dtype=np.float64))


class WindowReader:
    """Read windows of one or more streams, with masks applied."""

    def __init__(self, shards: Iterable[Shards], length: int, skip: SkipList, confine_attention: bool) -> None:
        self.shards, self.length, self.confine_attention = tuple(shards), length, confine_attention
        self._masked = [MaskedSpans(stream, skip.documents) for stream in self.shards]

    def read(self, sources: Iterable[int], windows: Iterable[int]) -> Rows:
        """Read windows, given as pairs of a stream and a window's number.

        A target counts if the shards mark it, and neither it nor the token before it is masked: from a masked token
        nothing can be predicted that was not learned elsewhere.
        """
        pairs = list(zip(sources, windows, strict=True))
        ids = np.zeros((len(pairs), self.length + 1), dtype=np.int64)
        weights = np.ones((len(pairs), self.length), dtype=np.float32)
        documents = np.zeros((len(pairs), self.length), dtype=np.int64)
        needs_documents, needs_weights = self.confine_attention, False
        for row, (source, window) in enumerate(pairs):
            stream, start = self.shards[source], int(window) * self.length
            ids[row] = stream.read(start, self.length + 1)
            if stream.has_loss:
                weights[row] = stream.read_loss(start + 1, self.length)
                needs_weights = True
            if self.confine_attention:
                for number, span in enumerate(stream.spans(start, start + self.length)):
                    documents[row, max(0, span.start - start) : span.stop - start] = number
            masked = self._masked[source].mask(start, self.length + 1)
            if masked is not None:
                ids[row, masked] = 0
                weights[row, masked[:-1] | masked[1:]] = 0
                documents[row, masked[:-1]] = -1
                needs_documents = needs_weights = True
        return Rows(ids, weights if needs_weights else None, documents if needs_documents else None)

    @property
    def is_plain(self) -> bool:
        """Whether every target of every window counts."""
        return not any(stream.has_loss for stream in self.shards) and not any(m.is_any for m in self._masked)


class Feed:
    """The batches of one process among several, in training order."""

    def __init__(
        self, order: Order, *, skip: SkipList, confine_attention: bool = False, rank: int = 0, processes: int = 1
    ) -> None:
        """Fix what this process reads: of each step's rows, the ``rank``-th of ``processes`` equal parts.

        Raises:
            ConfigError: if the rows cannot be split evenly.
        """
        if order.sequences % processes:
            raise ConfigError(f"sequences is {order.sequences}; it must be a multiple of the {processes} processes")
        self.order, self.skip = order, skip
        share = order.sequences // processes
        self._part = slice(rank * share, (rank + 1) * share)
        self._reader = WindowReader((source.shards for source in order.sources), order.length, skip, confine_attention)

    def batch(self, step: int) -> Batch:
        """This process's part of a step, whether or not the skip-list has the step."""
        sources, windows = self.order.rows(step)
        if self._reader.is_plain:
            rows = self._reader.read(sources[self._part], windows[self._part])
            return rows.batch(step, slice(None), self.order.sequences * self.order.length)
        # The normaliser needs every process's masks: reading them costs less than a collective operation.
        rows = self._reader.read(sources, windows)
        return rows.batch(step, self._part, rows.targets)

    def batches(self, first: int, stop: int) -> Generator[Batch]:
        """The batches of steps ``[first, stop)`` without the skipped ones; a thread stays one batch ahead."""
        steps = [step for step in range(first, stop) if step not in self.skip.steps]
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as reader:
            coming = reader.submit(self.batch, steps[0]) if steps else None
            for following in [*steps[1:], None]:
                if coming is None:
                    return
                batch = coming.result()
                coming = None if following is None else reader.submit(self.batch, following)
                yield batch


def validation_batches(
    shards: Shards, *, length: int, rows: int, limit: int = 0, rank: int = 0, processes: int = 1
) -> Iterator[Batch]:
    """Every window of a stream once, in order, dealt to the processes batch by batch; ``limit`` windows if not 0.

    All batches have the same shape, which compiled code needs: rows that fill up the last one count for nothing.
    """
    reader = WindowReader([shards], length, SkipList(), confine_attention=False)
    count = count_windows(shards, length)
    count = min(count, limit) if limit else count
    for number, start in enumerate(range(0, count, rows)):
        if number % processes == rank:
            read = reader.read([0] * rows, [min(window, count - 1) for window in range(start, start + rows)])
            if start + rows > count:
                weights = np.ones((rows, length), dtype=np.float32) if read.weights is None else read.weights
                weights[count - start :] = 0
                read = replace(read, weights=weights)
            yield read.batch(number, slice(None), read.targets)
