"""With a cache a model says what it says without one, however the tokens arrive."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.model.cache import Cache, CacheError
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import InputError, Transformer

CONFIG = ModelConfig(vocab_size=40, hidden_size=24, layers=2, heads=4, kv_heads=2, qk_norm=True, init_std=0.2)
CAPACITY = 16
SLOTS = 4


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(1)
    return Transformer(CONFIG).eval().requires_grad_(False)


@st.composite
def schedules(draw: st.DrawFn) -> list[tuple[list[int], list[int], int]]:
    """Draw passes as (slots, valid lengths, padded time) that fill each slot to at most its capacity."""
    room, passes = [CAPACITY] * SLOTS, []
    for _ in range(draw(st.integers(1, 6))):
        slots = draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=SLOTS, unique=True))
        lengths = [draw(st.integers(0, min(5, room[slot]))) for slot in slots]
        for slot, length in zip(slots, lengths, strict=True):
            room[slot] -= length
        passes.append((slots, lengths, max(max(lengths), 1) + draw(st.integers(0, 2))))
    return passes


@given(schedule=schedules(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_tokens_in_any_portions_to_any_slots_score_as_in_one_row(
    model: Transformer, schedule: list[tuple[list[int], list[int], int]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sequences = torch.randint(40, (SLOTS, CAPACITY), generator=generator)
    expected = model(sequences)
    cache, done = Cache(CONFIG, SLOTS, CAPACITY), [0] * SLOTS
    for slots, lengths, time in schedule:
        rows = torch.randint(40, (len(slots), time), generator=generator)  # what no length covers is noise
        for row, slot, length in zip(rows, slots, lengths, strict=True):
            row[:length] = sequences[slot, done[slot] : done[slot] + length]
        logits = model(rows, cache=cache, slots=torch.tensor(slots), lengths=torch.tensor(lengths))
        assert logits.isfinite().all()
        for row, slot, length in zip(logits, slots, lengths, strict=True):
            torch.testing.assert_close(
                row[:length], expected[slot, done[slot] : done[slot] + length], rtol=1e-4, atol=1e-4
            )
            done[slot] += length
        assert cache.lengths.tolist() == done


def test_prefill_then_a_token_at_a_time_with_the_default_slots(model: Transformer) -> None:
    tokens = torch.randint(40, (3, 12), generator=torch.Generator().manual_seed(0))
    cache = Cache(CONFIG, slots=3, capacity=12)
    parts = [model(tokens[:, :5], cache=cache)] + [model(tokens[:, i : i + 1], cache=cache) for i in range(5, 12)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("slots", [[0, 1, 2], [3, 0, 2]])  # adjacent, and not
def test_sequences_of_unequal_length_go_on_together_a_token_at_a_time(model: Transformer, slots: list[int]) -> None:
    tokens = torch.randint(40, (3, 12), generator=torch.Generator().manual_seed(0))
    lengths, named = [7, 2, 4], torch.tensor(slots)
    cache = Cache(CONFIG, SLOTS, capacity=12)
    model(tokens[:, :7], cache=cache, slots=named, lengths=torch.tensor(lengths))
    expected = model(tokens)
    for step in range(5):
        places = [length + step for length in lengths]
        logits = model(tokens[range(3), places][:, None], cache=cache, slots=named)
        torch.testing.assert_close(logits[:, 0], expected[range(3), places], rtol=1e-4, atol=1e-4)


def test_padding_is_never_written(model: Transformer) -> None:
    cache = Cache(CONFIG, slots=2, capacity=8)
    model(torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]), cache=cache, lengths=torch.tensor([3, 5]))
    assert cache.keys[:, 0, 3:].count_nonzero() == 0
    assert cache.keys[:, 0, :3].count_nonzero() > 0
    assert cache.lengths.tolist() == [3, 5]


def test_a_cleared_slot_remembers_nothing(model: Transformer) -> None:
    cache = Cache(CONFIG, slots=2, capacity=8)
    model(torch.tensor([[1, 2, 3, 4, 5, 6]]), cache=cache, slots=torch.tensor([1]))
    cache.clear(1)
    model(torch.tensor([[7, 8]]), cache=cache, slots=torch.tensor([1]))
    again = model(torch.tensor([[9]]), cache=cache, slots=torch.tensor([1]))
    torch.testing.assert_close(again[0, 0], model(torch.tensor([[7, 8, 9]]))[0, 2], rtol=1e-4, atol=1e-4)


def test_a_half_precision_cache_stays_near(model: Transformer) -> None:
    tokens = torch.arange(12)[None]
    cache = Cache(CONFIG, slots=1, capacity=12, dtype=torch.bfloat16)
    model(tokens[:, :11], cache=cache)
    last, exact = model(tokens[:, 11:], cache=cache)[0, 0], model(tokens)[0, 11]
    assert (last - exact).abs().max() < 0.05 * exact.std()


@pytest.mark.parametrize(
    ("slots", "lengths", "time", "complaint"),
    [
        ([0, 0], [1, 1], 1, "must be distinct"),
        ([0, 2], [1, 1], 1, "from 0 to 1"),
        ([0, 1], [3, 1], 2, "from 0 to the 2 tokens"),
        ([0, 1], [1, 9], 9, "slot 1 would hold 9 tokens, more than its capacity of 8"),
        ([0], [1], 1, "one value for each of the 2 rows"),
    ],
)
def test_what_a_cache_cannot_hold_is_refused_and_changes_nothing(
    model: Transformer, slots: list[int], lengths: list[int], time: int, complaint: str
) -> None:
    cache = Cache(CONFIG, slots=2, capacity=8)
    with pytest.raises(CacheError, match=complaint):
        model(
            torch.zeros(2, time, dtype=torch.int64),
            cache=cache,
            slots=torch.tensor(slots),
            lengths=torch.tensor(lengths),
        )
    assert cache.lengths.tolist() == [0, 0]


def test_packed_documents_and_a_cache_exclude_each_other(model: Transformer) -> None:
    tokens = torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(InputError, match="exclude each other"):
        model(tokens, cache=Cache(CONFIG, 1, 8), documents=tokens)


def test_a_cache_longer_than_the_positions_is_refused() -> None:
    with pytest.raises(CacheError, match="max_positions=2048"):
        Cache(CONFIG, slots=1, capacity=4096)
