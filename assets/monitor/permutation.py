"""Two-sample tests by relabelling: how often chance alone separates two groups as far as they are.

A p-value counts the observed labelling among the relabellings, (1 + #{at least as extreme}) / (1 + B):
without it the test alarms too often (Phipson and Smyth, 2010). It holds at any sample size, as long
as without drift both groups' members are independent draws of one kind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from assets.monitor.features import Array

Labels = NDArray[np.float32]
Statistic = Callable[[Labels], Array]
Name = TypeVar("Name", bound=str)

CHUNK = 500
TOLERANCE = 1e-6  # statistics that are equal but for the order of their sums count as equal


@dataclass(frozen=True)
class Comparison:
    """The statistic of the labelling that was seen, and how rare it is among relabellings."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class Groups:
    """Sizes of two groups whose members stand in one array, the window's first."""

    window: int
    reference: int

    @property
    def members(self) -> int:
        return self.window + self.reference

    def observed(self) -> Labels:
        """The labelling that was seen, (1, members): 1.0 for the window's."""
        return np.repeat(np.array([1, 0], dtype=np.float32), [self.window, self.reference])[None]

    def relabellings(self, count: int, seed: int) -> Iterator[Labels]:
        """`count` labellings drawn uniformly, in chunks of (labellings, members)."""
        draw = np.random.default_rng([seed, self.window, self.reference])
        for start in range(0, count, CHUNK):
            keys = draw.random((min(CHUNK, count - start), self.members), dtype=np.float32)
            chosen = np.argpartition(keys, self.window - 1, axis=1)[:, : self.window]
            labels = np.zeros(keys.shape, dtype=np.float32)
            np.put_along_axis(labels, chosen, np.float32(1), axis=1)
            yield labels


def permutation_tests(
    statistics: Mapping[Name, Statistic], groups: Groups, permutations: int, seed: int
) -> dict[Name, Comparison]:
    """Test several statistics over the same relabellings; large values speak for a difference."""
    seen = {name: float(statistic(groups.observed())[0]) for name, statistic in statistics.items()}
    as_extreme = dict.fromkeys(statistics, 0)
    for labels in groups.relabellings(permutations, seed):
        for name, statistic in statistics.items():
            as_extreme[name] += int((statistic(labels) >= seen[name] - TOLERANCE * abs(seen[name])).sum())
    return {name: Comparison(seen[name], (1 + as_extreme[name]) / (1 + permutations)) for name in statistics}


def largest(shifts: Statistic) -> Statistic:
    """The largest of several features' shifts: one p-value over all of them (maxT of Westfall and Young, 1993)."""
    return lambda labels: np.abs(shifts(labels)).max(axis=1, initial=0.0)


def rank_shifts(values: Array, groups: Groups) -> Statistic:
    """How far the labelled members' mean rank lies from chance, in standard deviations, (labellings, features).

    Ranks (Wilcoxon's) rather than values: a single huge request moves nothing.
    """
    ranks = rankdata(values, axis=0)
    centred = ranks - ranks.mean(axis=0)
    variance = (centred**2).sum(axis=0) * groups.window * groups.reference / (groups.members * (groups.members - 1))
    scaled = centred / np.sqrt(np.where(variance > 0, variance, 1.0))
    return lambda labels: np.asarray(labels @ scaled)


def word_shifts(presence: csr_matrix, groups: Groups) -> Statistic:
    """Log-likelihood ratio of each word's share among the labelled and among the others, (labellings, words).

    G² of the two-by-two table (group, has the word): unlike a difference in standard deviations it is
    fair to rare and common words alike (Dunning, 1993). `presence` is (members, words), 1.0 or 0.0.
    """
    by_word = csr_matrix(presence.T)
    total = np.rint(np.asarray(presence.sum(axis=0))).astype(np.int64)  # (1, words)
    x_log_x = np.arange(groups.members + 1, dtype=np.float64)
    x_log_x[1:] *= np.log(x_log_x[1:])
    margins = x_log_x[total] + x_log_x[groups.members - total]
    margins += x_log_x[groups.window] + x_log_x[groups.reference] - x_log_x[groups.members]

    def ratios(labels: Labels) -> Array:
        inside = np.rint(by_word @ labels.T).T.astype(np.int64)  # (labellings, words)
        cells = x_log_x[inside] + x_log_x[total - inside]
        cells += x_log_x[groups.window - inside] + x_log_x[groups.reference - total + inside]
        return np.asarray(2 * np.maximum(cells - margins, 0.0))

    return ratios


def holm(p_values: Mapping[Name, float], rate: float) -> dict[Name, bool]:
    """Which hypotheses to reject so that any false rejection has at most this probability (Holm, 1979)."""
    rejected = dict.fromkeys(p_values, False)
    for rank, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        if p_values[name] > rate / (len(p_values) - rank):
            break
        rejected[name] = True
    return rejected
