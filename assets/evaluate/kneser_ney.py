"""The n-gram model to beat: interpolated modified Kneser-Ney (Chen & Goodman, 1998), counted in arrays.

Each order keeps its n-grams as one sorted array of `prefix * vocabulary + token`, where the prefix
is the number of the n-gram without its last token in the order below. So numbers are exact, not
hashes; a look-up is a binary search; and a context's number is that of the n-gram before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.likelihood import Tokens
from assets.vocabulary import BOS, SPECIAL_TOKENS

Array = npt.NDArray[Any]
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Where too few n-grams occur once to four times for the estimates, as KenLM falls back."""


@dataclass(frozen=True)
class _Order:
    """One order's counts.

    `keys` (n-grams,) sorted and `counts` of the same n-grams: occurrences for the highest order and
    for n-grams at a document's start, elsewhere the number of distinct tokens before it. `totals`
    and `backoff` (contexts,): the sum of counts after each context, and the mass that its
    discounts free.
    """

    keys: Array
    counts: Array
    totals: Array
    backoff: Array
    discounts: Array

    @classmethod
    def count(cls, keys: Array, counts: Array, contexts: Array, number_of_contexts: int) -> _Order:
        discounts = modified_discounts(counts)
        freed = discounts[np.minimum(counts, 3)]
        totals, backoff = (np.bincount(contexts, summed, number_of_contexts) for summed in (counts, freed))
        return cls(keys, counts, totals, backoff, discounts)

    def interpolate(self, counts: Array, contexts: Array, lower: Array) -> Array:
        """p(token | context) from the counts after the context and the lower order's probabilities."""
        kept = counts - self.discounts[np.minimum(counts, 3)]
        probability: Array = (kept + self.backoff[contexts] * lower) / self.totals[contexts]
        return probability


def modified_discounts(counts: Array) -> Array:
    """What is taken from a count of 0, 1, 2, and 3 or more: (4,), from counts of counts (Chen & Goodman, eq. 26)."""
    once, twice, thrice, four = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if min(once, twice, thrice, four) == 0:
        return np.array([0.0, *FALLBACK_DISCOUNTS])
    y = once / (once + 2 * twice)
    estimates = [1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four / thrice]
    is_sound = all(0 <= estimate <= number for number, estimate in enumerate(estimates, start=1))
    return np.array([0.0, *(estimates if is_sound else FALLBACK_DISCOUNTS)])


def starts(stream: Tokens) -> Array:
    """Where documents begin in a stream of them, (length,) booleans: at each `<|bos|>`."""
    return np.asarray(stream == SPECIAL_TOKENS.index(BOS))


def _places(stream: Tokens) -> Array:
    """Each token's number in its document, 0 for `<|bos|>`."""
    numbers = np.arange(stream.size)
    return np.asarray(numbers - np.maximum.accumulate(np.where(starts(stream), numbers, 0)))


class KneserNey:
    """An n-gram model over streams of documents, each headed by `<|bos|>`, which is context and never predicted."""

    def __init__(self, vocab_size: int, orders: tuple[_Order, ...]):
        self.vocab_size, self.orders = vocab_size, orders

    @classmethod
    def fit(cls, tokens: Tokens, vocab_size: int, order: int) -> KneserNey:
        """Count a stream, in O(order x tokens x log tokens)."""
        places = _places(tokens)
        grams = tokens  # (length,): number of the n-gram that ends at each token
        keys, contexts = np.arange(vocab_size), np.zeros(vocab_size, np.int64)
        number_of_contexts = 1
        orders = []
        for length in range(2, order + 1):
            ends = np.flatnonzero(places >= length - 1)
            longer, first, numbers, occurrences = np.unique(
                grams[ends - 1] * vocab_size + tokens[ends], return_index=True, return_inverse=True, return_counts=True
            )
            counts = np.bincount(grams[ends[first]], minlength=keys.size)
            if length > 2:  # what stands at a document's start has nothing before it: there, occurrences count
                at_start = np.bincount(grams[places == length - 2], minlength=keys.size)
                counts = np.where(at_start > 0, at_start, counts)
            orders.append(_Order.count(keys, counts, contexts, number_of_contexts))
            number_of_contexts = keys.size
            keys, contexts = longer, longer // vocab_size
            grams = np.full(tokens.size, -1)
            grams[ends] = numbers
        orders.append(_Order.count(keys, occurrences, contexts, number_of_contexts))
        return cls(vocab_size, tuple(orders))

    def probabilities(self, tokens: Tokens) -> Array:
        """p(token | those before it in its document) at every place of a stream; (length,), 1 at `<|bos|>`."""
        places = _places(tokens)
        probability = np.full(tokens.size, 1 / self.vocab_size)
        grams = tokens
        for length, order in enumerate(self.orders, start=1):
            if order.keys.size == 0:  # no training document is that long
                break
            if length == 1:
                contexts, numbers = np.zeros(tokens.size, np.int64), tokens
                is_seen = np.ones(tokens.size, np.bool_)
            else:
                contexts = np.where(places >= length - 1, np.concatenate(([-1], grams[:-1])), -1)
                key = contexts * self.vocab_size + tokens
                numbers = np.minimum(np.searchsorted(order.keys, key), order.keys.size - 1)
                is_seen = (contexts >= 0) & (order.keys[numbers] == key)
            has_context = contexts >= 0
            has_context[has_context] &= order.totals[contexts[has_context]] > 0
            counts = np.where(is_seen, order.counts[numbers], 0)[has_context]
            probability[has_context] = order.interpolate(counts, contexts[has_context], probability[has_context])
            grams = np.where(is_seen, numbers, -1)
        probability[places == 0] = 1.0
        return probability
