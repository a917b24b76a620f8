"""Which tokens are in step k: a function of (seed, shards, k) alone, and its inverse.

The stream of a source is cut into windows of ``length + 1`` tokens, one after the other with a stride of ``length``
(the last token is a target only, and the next window's first input). An epoch goes through the windows in a shuffled
order. Rows of a step come from the sources by weight. Nothing is stored and nothing is scanned, so any step is
reached at once; the number of processes does not enter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_core.errors import ConfigError
from llm_core.feed.mixture import Mixture
from llm_core.feed.permutation import Permutation
from llm_core.feed.shards import Shards

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Shards, and their share of the training rows relative to the other sources'."""

    shards: Shards
    weight: float = 1.0


def count_windows(shards: Shards, length: int) -> int:
    """How many windows a stream has; up to ``length`` tokens at its end are in none."""
    return max(0, shards.tokens - 1) // length


class Order:
    """The rows of every step."""

    def __init__(self, sources: Sequence[Source], *, length: int, sequences: int, seed: int) -> None:
        """Fix the order.

        Args:
            sources: in a fixed order, which counts.
            length: tokens of a row that the model reads.
            sequences: rows of a step, over all processes.
            seed: of the shuffles.

        Raises:
            ConfigError: if a source has not one whole window.
        """
        self.sources, self.length, self.sequences, self.seed = tuple(sources), length, sequences, seed
        self.windows = [count_windows(source.shards, length) for source in sources]
        self._mixture = Mixture([source.weight for source in sources])
        for source, windows in zip(sources, self.windows, strict=True):
            if windows == 0:
                raise ConfigError(
                    f"{source.shards.folder} has {source.shards.tokens} tokens; a window takes length + 1 ="
                    f" {length + 1}: shorten the length or give more text"
                )

    def rows(self, step: int) -> tuple[Integers, Integers]:
        """The source and the window of each row of a step, each (sequences,)."""
        numbers = np.arange(step * self.sequences, (step + 1) * self.sequences, dtype=np.int64)
        sources, places = self._mixture.locate(numbers)
        windows = np.zeros_like(places)
        for source, count in enumerate(self.windows):
            epochs = places // count
            for epoch in np.unique(epochs[sources == source]):
                chosen = (sources == source) & (epochs == epoch)
                windows[chosen] = self._shuffle(source, int(epoch)).forward(places[chosen] % count)
        return sources, windows

    def documents_in_step(self, step: int) -> list[str]:
        """The documents with a token in a step, as input or target, in the order of its rows; each once."""
        found: dict[str, None] = {}
        for source, window in zip(*self.rows(step), strict=True):
            start = int(window) * self.length
            for span in self.sources[source].shards.spans(start, start + self.length + 1):
                found[span.document] = None
        return list(found)

    def steps_of_document(self, document: str, steps: int) -> list[int]:
        """The steps among the first ``steps`` that have a token of a document, as input or target; ascending.

        One pass over the document ids, then O(1) for each time that one of its windows is seen.
        """
        found: set[int] = set()
        for source, count in enumerate(self.windows):
            fed = self._mixture.fed(source, steps * self.sequences)
            for span in self.sources[source].shards.find([document]):
                first, last = max(0, -(-span.start // self.length) - 1), (span.stop - 1) // self.length
                windows = np.arange(first, min(last, count - 1) + 1, dtype=np.int64)
                for epoch in range(-(-fed // count)):
                    places = epoch * count + self._shuffle(source, epoch).inverse(windows)
                    for place in places[places < fed]:
                        found.add(self._mixture.row(source, int(place)) // self.sequences)
        return sorted(found)

    def _shuffle(self, source: int, epoch: int) -> Permutation:
        return Permutation(self.windows[source], (self.seed, source, epoch))
