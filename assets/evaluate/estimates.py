"""Differences between models, how far off they may be, and how much more would tell."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]
MOST_UNITS = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A mean over units with a confidence interval; below two units it is unbounded."""

    mean: float
    low: float
    high: float
    deviation: float
    units: int


def sums_by(labels: Sequence[str], values: Values) -> Values:
    """Sums of values by label, in the labels' order."""
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    return np.bincount(numbers, values).astype(np.float64)


def differences_by_unit(baseline: Values, candidate: Values, sizes: Values, units: Sequence[str]) -> Values:
    """How many bits per byte the candidate is better by, for each unit: positive is better."""
    return sums_by(units, baseline - candidate) / sums_by(units, sizes) / math.log(2)


def mean_interval(values: Values, error_rate: float) -> Interval:
    """The mean over independent units, each counted once, by Student's t; `error_rate` lies outside on either side.

    Units may differ in size and variance: below a rate of .05 a side, unequal variances only make
    the t-test of independent units more careful (Bakirov & Székely, 2005; Ibragimov & Müller, 2010,
    who show it for 2 to 14 units at .05 a side). That holds at two units, where bootstraps and
    sign flips cannot decide anything.
    """
    count = values.size
    mean = float(values.mean()) if count else 0.0
    if count < 2:
        return Interval(mean, -math.inf, math.inf, math.inf, count)
    deviation = float(values.std(ddof=1))
    half = float(stats.t.ppf(1 - error_rate, count - 1)) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, deviation, count)


def units_needed(effect: float, deviation: float, error_rate: float, power: float) -> int | None:
    """Units in all with which an effect among units of this deviation would be told from none with this power.

    None where there is no effect, or more than a million would be needed.
    """
    if effect == 0.0:
        return None

    def is_enough(count: int) -> bool:
        quantiles = stats.t.ppf([1 - error_rate, power], count - 1)
        return float(quantiles.sum()) * deviation / effect <= math.sqrt(count)

    needed = bisect_left(range(2, MOST_UNITS + 1), True, key=is_enough) + 2
    return needed if needed <= MOST_UNITS else None
