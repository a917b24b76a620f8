"""The baselines that count: the n-gram model against the published formulas written out over dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluate.baselines import unigram_nats
from assets.evaluate.kneser_ney import KneserNey, modified_discounts
from assets.likelihood import Tokens

Gram = tuple[int, ...]
START, VOCABULARY = 0, 7
documents_of = st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=25), min_size=1, max_size=12)


def stream(documents: list[list[int]]) -> Tokens:
    return np.array([token for document in documents for token in (START, *document)], np.int64)


class Reference:
    """Chen & Goodman (1998), equations 17 to 26, for one probability at a time."""

    def __init__(self, documents: list[list[int]], order: int):
        sequences = [(START, *document) for document in documents]
        raw: Counter[Gram] = Counter(
            sequence[end - length : end]
            for sequence in sequences
            for length in range(1, order + 1)
            for end in range(max(length, 2), len(sequence) + 1)
        )
        before: defaultdict[Gram, set[int]] = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        self.counts: dict[int, dict[Gram, int]] = {
            length: {
                gram: count if length == order or gram[0] == START else len(before[gram])
                for gram, count in raw.items()
                if len(gram) == length
            }
            for length in range(1, order + 1)
        }
        self.order = order

    def discounts(self, length: int) -> np.ndarray:
        return modified_discounts(np.array(list(self.counts[length].values()), np.int64))

    def probability(self, context: Gram, token: int) -> float:
        lower = self.probability(context[1:], token) if context else 1 / VOCABULARY
        length = len(context) + 1
        discounts = self.discounts(length)
        after = {gram: count for gram, count in self.counts[length].items() if gram[:-1] == context}
        if not after:
            return lower
        total = sum(after.values())
        freed = sum(discounts[min(count, 3)] for count in after.values())
        count = after.get((*context, token), 0)
        return float(count - discounts[min(count, 3)] + freed * lower) / total


@settings(max_examples=40, deadline=None)
@given(documents_of, documents_of, st.integers(2, 5))
def test_every_probability_is_that_of_the_formulas(
    training: list[list[int]], asked: list[list[int]], order: int
) -> None:
    model, reference = KneserNey.fit(stream(training), VOCABULARY, order), Reference(training, order)

    found = model.probabilities(stream(asked))

    expected = []
    for document in asked:
        sequence = (START, *document)
        expected.append(1.0)
        expected += [
            reference.probability(sequence[max(0, place - order + 1) : place], sequence[place])
            for place in range(1, len(sequence))
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(documents_of, st.lists(st.integers(1, VOCABULARY - 1), max_size=5), st.integers(2, 5))
def test_probabilities_sum_to_one_after_any_context(training: list[list[int]], context: list[int], order: int) -> None:
    model = KneserNey.fit(stream(training), VOCABULARY + 1, order)
    unseen = VOCABULARY  # as likely as `<|bos|>`, which no context predicts either

    asked = stream([[*context, token] for token in range(1, VOCABULARY + 1)])
    probabilities = model.probabilities(asked)[len(context) + 1 :: len(context) + 2]

    assert probabilities.sum() + probabilities[unseen - 1] == pytest.approx(1.0, abs=1e-12)


def test_discounts_are_the_published_estimates() -> None:
    counts = np.repeat([1, 2, 3, 4], [40, 20, 10, 5])
    y = 40 / (40 + 2 * 20)

    np.testing.assert_allclose(
        modified_discounts(counts), [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 5 / 10]
    )


def test_few_counts_fall_back_to_fixed_discounts() -> None:
    assert modified_discounts(np.array([1, 1, 2])).tolist() == [0.0, 0.5, 1.0, 1.5]


def test_longer_contexts_predict_a_repeated_phrase_better() -> None:
    rng = np.random.default_rng(0)
    phrase = [1, 2, 1, 3, 1, 4, 1, 5]
    training = [[*phrase, *rng.integers(1, VOCABULARY, 4).tolist()] for _ in range(30)]

    nats = [
        -np.log(KneserNey.fit(stream(training), VOCABULARY, n).probabilities(stream([phrase]))).sum() for n in (2, 4)
    ]

    assert nats[1] < nats[0]


def test_the_unigram_adds_one_to_every_count() -> None:
    (nats,) = unigram_nats(np.array([0, 1, 1, 2, 0, 1]), 5, [np.array([0, 1, 2, 4])])

    np.testing.assert_allclose(np.exp(-nats), [4 / 9, 2 / 9, 1 / 9])
