from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.errors import ConfigError
from llm_core.feed.mixture import Mixture
from llm_core.feed.order import Order, Source
from llm_core.feed.permutation import Permutation
from llm_core.feed.shards import Shards
from tests.llm_core.feed.shard_writer import ShardWriter


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**63))
def test_a_permutation_meets_every_item_once_and_inverts(size, seed):
    permutation = Permutation(size, (seed,))
    items = permutation.forward(np.arange(size))
    assert sorted(items) == list(range(size))
    assert (permutation.inverse(items) == np.arange(size)).all()


def test_permutations_of_different_keys_differ_and_look_shuffled():
    first, second = (Permutation(10_000, (key,)).forward(np.arange(10_000)) for key in (1, 2))
    assert (first == second).mean() < 0.01
    assert abs(np.corrcoef(first, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.05


def test_a_permutation_of_a_trillion_items_costs_nothing():
    permutation = Permutation(10**12 + 7, (0,))
    positions = np.array([0, 10**12 + 6, 123_456_789_012])
    assert (permutation.inverse(permutation.forward(positions)) == positions).all()


@given(weights=st.lists(st.floats(0.01, 10), min_size=1, max_size=5), row=st.integers(0, 2**40))
def test_a_mixture_inverts_anywhere(weights, row):
    mixture = Mixture(weights)
    sources, places = mixture.locate(np.arange(row, row + 50))
    for offset, (source, place) in enumerate(zip(sources, places, strict=True)):
        assert mixture.row(int(source), int(place)) == row + offset
        assert mixture.fed(int(source), row + offset) == place


@given(weights=st.lists(st.floats(0.1, 10), min_size=1, max_size=5))
def test_every_source_gets_its_share_of_any_prefix(weights):
    sources, _ = Mixture(weights).locate(np.arange(1000))
    for rows in (100, 1000):
        for source, weight in enumerate(weights):
            share = (sources[:rows] == source).sum()
            assert abs(share - rows * weight / sum(weights)) <= len(weights) + 1


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0]])
def test_weights_must_be_positive(weights):
    with pytest.raises(ConfigError, match="must be positive"):
        Mixture(weights)


def windows_of(order: Order, steps: range) -> list[tuple[int, int]]:
    return [(int(s), int(w)) for step in steps for s, w in zip(*order.rows(step), strict=True)]


def test_each_epoch_meets_every_window_once_in_another_order(make_shards):
    order = Order([Source(make_shards([120] * 4))], length=10, sequences=1, seed=3)
    first, second = windows_of(order, range(47)), windows_of(order, range(47, 94))
    assert len(set(first)) == 47
    assert set(first) == set(second)
    assert first != second


def test_the_order_is_a_function_of_seed_and_step(make_shards):
    shards = [make_shards([400]), make_shards([300])]
    orders = [Order([Source(s) for s in shards], length=8, sequences=4, seed=seed) for seed in (5, 5, 6)]
    forwards = [windows_of(orders[0], range(step, step + 1)) for step in range(30)]
    backwards = [windows_of(orders[1], range(step, step + 1)) for step in reversed(range(30))][::-1]
    assert forwards == backwards
    assert forwards != [windows_of(orders[2], range(step, step + 1)) for step in range(30)]


def test_a_replayed_source_takes_its_weight(make_shards):
    new, old = make_shards([900]), make_shards([5000], shard_tokens=9000)
    order = Order([Source(new, 3.0), Source(old, 1.0)], length=9, sequences=8, seed=0)
    fed = Counter(source for source, _ in windows_of(order, range(50)))
    assert fed == {0: 300, 1: 100}


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=3, max_size=25), sequences=st.integers(1, 5), seed=st.integers(0, 99)
)
def test_documents_of_steps_and_steps_of_documents_agree(tmp_path_factory, lengths, sequences, seed):
    sources = []
    for half in (lengths[::2], lengths[1::2]):
        folder = tmp_path_factory.mktemp("order")
        with ShardWriter(folder, 10, shard_tokens=64) as writer:
            for number, length in enumerate([*half, 9]):
                writer.add(f"{len(sources)}{number:031x}", [1] * length)
        sources.append(Source(Shards(folder), 1.0 + len(sources)))
    order = Order(sources, length=8, sequences=sequences, seed=seed)
    used: dict[str, list[int]] = {}
    for step in range(25):
        for document in order.documents_in_step(step):
            used.setdefault(document, []).append(step)
    for source in sources:
        for span in source.shards.spans(0, source.shards.tokens):
            assert order.steps_of_document(span.document, 25) == used.get(span.document, [])


def test_an_unknown_document_is_in_no_step(make_shards):
    order = Order([Source(make_shards([100]))], length=8, sequences=2, seed=0)
    assert order.steps_of_document("f" * 32, 1000) == []


def test_shards_shorter_than_a_window_are_refused(make_shards):
    with pytest.raises(ConfigError, match=r"has 8 tokens; a window takes length \+ 1 = 9"):
        Order([Source(make_shards([8]))], length=8, sequences=1, seed=0)
