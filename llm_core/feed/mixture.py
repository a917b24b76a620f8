"""Interleave several sources by weight: which source feeds a row, and which rows a source feeds, each in O(1)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llm_core.errors import ConfigError

Integers = npt.NDArray[np.int64]

RESOLUTION = 1 << 16
"""Weights are rounded to this many parts, so that all arithmetic is exact."""


class Mixture:
    """A fixed low-discrepancy sequence of sources: in any run of rows each gets its share, to within a few rows.

    Source 0 takes its rows as a line of slope ``weight`` does on a grid (Bresenham, 1965); the rows that are left are
    numbered anew and split the same way among the other sources. Row numbers up to 2^46 stay exact.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """Fix the shares.

        Raises:
            ConfigError: if there is no weight, or one is not positive.
        """
        if not weights or min(weights) <= 0:
            raise ConfigError(f"the weights of the sources are {list(weights)}; each must be positive")
        total = float(sum(weights))
        self._parts = [max(1, round(weight / total * RESOLUTION)) for weight in weights]
        self._left = [sum(self._parts[source:]) for source in range(len(weights))]

    def locate(self, rows: Integers) -> tuple[Integers, Integers]:
        """The source of each row, and how many rows that source fed before."""
        sources = np.zeros_like(rows)
        places = np.zeros_like(rows)
        open_rows, numbers = np.arange(len(rows)), rows.copy()
        for source, (part, left) in enumerate(zip(self._parts, self._left, strict=True)):
            before = numbers * part // left
            taken = (numbers + 1) * part // left > before
            sources[open_rows[taken]] = source
            places[open_rows[taken]] = before[taken]
            open_rows, numbers = open_rows[~taken], (numbers - before)[~taken]
        return sources, places

    def row(self, source: int, place: int) -> int:
        """The row that this source feeds after ``place`` others: the inverse of ``locate``."""
        part, left = self._parts[source], self._left[source]
        number = -(-(place + 1) * left // part) - 1
        for earlier in reversed(range(source)):
            number = number * self._left[earlier] // (self._left[earlier] - self._parts[earlier])
        return number

    def fed(self, source: int, rows: int) -> int:
        """How many of the first ``rows`` rows this source feeds."""
        for earlier in range(source):
            rows -= rows * self._parts[earlier] // self._left[earlier]
        return rows * self._parts[source] // self._left[source]
