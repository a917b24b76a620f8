"""Batches: the rows of a step as tensors, the next one made while this one is computed.

What is skipped: *documents* are declared (opted out, or to be forgotten), an input of the run. Their spans stay in
place, so that every other token keeps its step, row and position; but they are no targets, are not attended to, do not
count in the loss's normaliser, and the model does not see their ids. *Steps* are discovered (a loss spike); a skipped
one leaves the number of every other as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llm_core.errors import ConfigError
from llm_core.feed.order import Order, count_windows
from llm_core.feed.shards import Shards


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

    def part(self, rows: slice) -> Batch:
        """Some of the rows; ``targets_in_step`` stays that of the whole step."""
        return self._map(lambda tensor: tensor[rows])

    def split(self, rows: int) -> Iterator[Batch]:
        """Cut into micro-batches of at most this many rows."""
        return (self.part(slice(start, start + rows)) for start in range(0, len(self), rows))

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; copies overlap with computing where the device can."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        weights = None if self.weights is None else change(self.weights)
        documents = None if self.documents is None else change(self.documents)
        return Batch(self.step, change(self.tokens), change(self.targets), weights, documents, self.targets_in_step)


class MaskedSpans:
    """The tokens of a stream that belong to skipped documents; a look-up takes O(log spans)."""

    def __init__(self, shards: Shards, documents: Iterable[str]) -> None:
        spans = shards.find(documents)
        self._starts = np.array([span.start for span in spans], dtype=np.int64)
        self._stops = np.array([span.stop for span in spans], dtype=np.int64)

    def __bool__(self) -> bool:
        return self._starts.size > 0

    def mask(self, start: int, count: int) -> npt.NDArray[np.bool_] | None:
        """Which of ``count`` tokens from ``start`` on are masked; None if none is."""
        first = int(np.searchsorted(self._stops, start, side="right"))
        last = int(np.searchsorted(self._starts, start + count, side="left"))
        if first >= last:
            return None
        masked = np.zeros(count, dtype=np.bool_)
        for begin, end in zip(self._starts[first:last], self._stops[first:last], strict=True):
            masked[max(0, begin - start) : end - start] = True
        return masked


class WindowReader:
    """Read windows of one or more streams, with masks applied."""

    def __init__(
        self,
        shards: Iterable[Shards],
        length: int,
        skip_documents: Iterable[str] = (),
        confine_attention: bool = False,
    ) -> None:
        self.shards, self.length, self.confine_attention = tuple(shards), length, confine_attention
        self._masked = [MaskedSpans(stream, skip_documents) for stream in self.shards]
        self.is_plain = not any(stream.has_loss for stream in self.shards) and not any(self._masked)
        """Whether every target of every window counts."""

    def read(self, step: int, sources: Iterable[int], windows: Iterable[int]) -> Batch:
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
        return Batch(
            step,
            torch.from_numpy(ids[:, :-1].copy()),
            torch.from_numpy(ids[:, 1:].copy()),
            torch.from_numpy(weights) if needs_weights else None,
            torch.from_numpy(documents) if needs_documents else None,
            int(weights.sum(dtype=np.float64)),
        )


class Feed:
    """The batches of one process among several, in training order."""

    def __init__(
        self,
        order: Order,
        *,
        skip_documents: Collection[str] = (),
        skip_steps: Collection[int] = (),
        confine_attention: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Fix what this process reads: of each step's rows, the ``rank``-th of ``processes`` equal parts.

        Raises:
            ConfigError: if the rows cannot be split evenly.
        """
        if order.sequences % processes:
            raise ConfigError(f"sequences is {order.sequences}; it must be a multiple of the {processes} processes")
        self.order, self.skip_steps = order, skip_steps
        share = order.sequences // processes
        self._part = slice(rank * share, (rank + 1) * share)
        shards = [source.shards for source in order.sources]
        self._reader = WindowReader(shards, order.length, skip_documents, confine_attention)

    def batch(self, step: int) -> Batch:
        """This process's part of a step, whether or not the skip-list has the step."""
        sources, windows = self.order.rows(step)
        if self._reader.is_plain:
            batch = self._reader.read(step, sources[self._part], windows[self._part])
            return replace(batch, targets_in_step=self.order.sequences * self.order.length)
        # The normaliser needs every process's masks: reading them costs less than a collective operation.
        return self._reader.read(step, sources, windows).part(self._part)

    def batches(self, first: int, stop: int) -> Generator[Batch]:
        """The batches of steps ``[first, stop)`` without the skipped ones; a thread stays one batch ahead."""
        steps = iter([step for step in range(first, stop) if step not in self.skip_steps])
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as reader:
            coming = [reader.submit(self.batch, step) for step in islice(steps, 1)]
            while coming:
                batch = coming.pop().result()
                coming += [reader.submit(self.batch, step) for step in islice(steps, 1)]
                yield batch


def validation_batches(
    shards: Shards, *, length: int, rows: int, limit: int = 0, rank: int = 0, processes: int = 1
) -> Iterator[Batch]:
    """Every window of a stream once, in order, dealt to the processes batch by batch; ``limit`` windows if not 0.

    All batches have the same shape, which compiled code needs: rows that fill up the last one count for nothing.
    """
    reader = WindowReader([shards], length)
    count = count_windows(shards, length)
    count = min(count, limit) if limit else count
    for number, start in enumerate(range(0, count, rows)):
        if number % processes == rank:
            chosen = [min(window, count - 1) for window in range(start, start + rows)]
            batch = reader.read(number, [0] * rows, chosen)
            if start + rows > count:
                weights = torch.ones(rows, length) if batch.weights is None else batch.weights
                weights[count - start :] = 0
                batch = replace(batch, weights=weights, targets_in_step=int(weights.sum()))
            yield batch
