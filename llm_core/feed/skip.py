"""The skip-list: documents whose tokens teach nothing, and steps that are not taken.

Documents are declared (opted out, or to be forgotten): an input of the run. Their spans stay in place, so that every
other token keeps its step, row and position; but they are no targets, are not attended to, do not count in the loss's
normaliser, and the model does not see their ids. Steps are discovered (a loss spike) and journaled in checkpoints.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_core.feed.shards import Shards


@dataclass(frozen=True)
class SkipList:
    """What is skipped in a training order."""

    documents: frozenset[str] = frozenset()
    """Ids of declared documents."""
    steps: frozenset[int] = frozenset()
    """Numbers of discovered steps; a skipped step leaves the number of every other one as it was."""


class MaskedSpans:
    """The tokens of a stream that belong to declared documents; a look-up takes O(log spans)."""

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
