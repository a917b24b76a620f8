import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_core.errors import ConfigError
from llm_core.generate.sampling import Sampler, Sampling, choose_tokens, keep_nucleus

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -30.0])


def draws(sampling: Sampling, count: int, logits: torch.Tensor = LOGITS) -> list[int]:
    sampler = Sampler(sampling)
    return [choose_tokens(logits[None], [sampler])[0] for _ in range(count)]


def test_temperature_zero_is_greedy():
    assert draws(Sampling(temperature=0.0, seed=3), 5) == [0] * 5


def test_a_seed_repeats_its_draws_and_another_does_not():
    first = draws(Sampling(seed=1), 50)
    assert first == draws(Sampling(seed=1), 50)
    assert first != draws(Sampling(seed=2), 50)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature):
    count = 1500
    counts = torch.bincount(torch.tensor(draws(Sampling(temperature, seed=5), count)), minlength=5)
    expected = torch.softmax(LOGITS / temperature, dim=-1) * count
    chi_squared = float(((counts - expected) ** 2 / expected)[:4].sum())
    assert chi_squared < 16.3, "99.9th percentile at 3 degrees of freedom"


def test_a_nucleus_is_the_smallest_set_of_likeliest_tokens_that_reaches_the_mass():
    probabilities = torch.tensor([0.1, 0.4, 0.3, 0.2], dtype=torch.float64)
    assert keep_nucleus(probabilities, 0.4).nonzero()[:, 0].tolist() == [1]
    assert keep_nucleus(probabilities, 0.41).nonzero()[:, 0].tolist() == [1, 2]
    assert keep_nucleus(probabilities, 0.75).nonzero()[:, 0].tolist() == [1, 2, 3]


@given(st.integers(0, 2**31), st.floats(0.01, 0.999))
def test_a_large_vocabulary_has_the_nucleus_that_sorting_it_all_finds(seed, top_p):
    probabilities = torch.softmax(torch.randn(1000, generator=torch.Generator().manual_seed(seed)).double(), dim=-1)
    values, order = probabilities.sort(descending=True)
    expected = order[: 1 + int((values.cumsum(0)[:-1] < top_p).sum())]
    assert keep_nucleus(probabilities, top_p).nonzero()[:, 0].tolist() == sorted(expected.tolist())


def test_only_the_nucleus_is_drawn():
    assert set(draws(Sampling(top_p=0.8, seed=7), 300)) == {0, 1}


@given(st.integers(0, 2**31), st.integers(0, 7), st.sampled_from([0.3, 0.9, 1.0]))
def test_a_row_draws_the_same_whoever_shares_the_batch(seed, row, top_p):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(8, 40, generator=generator) * 3
    settings = [Sampling(t, p, seed=i) for i, (t, p) in enumerate([(0, 1), (1, 1), (0.7, 0.5), (2, 0.9)] * 2)]
    settings[row] = Sampling(0.8, top_p, seed=seed)
    together = choose_tokens(logits, [Sampler(sampling) for sampling in settings])
    assert together[row] == choose_tokens(logits[row : row + 1], [Sampler(settings[row])])[0]


def test_a_token_of_no_weight_is_never_drawn():
    logits = torch.full((1, 6), -torch.inf)
    logits[0, 2] = 0.0
    for uniform in (0.0, 0.5, 1.0 - 2**-53):
        sampler = Sampler(Sampling(seed=0))
        sampler.draws.random = lambda value=uniform: value
        assert choose_tokens(logits, [sampler]) == [2]


@pytest.mark.parametrize(("field", "value"), [("temperature", -0.1), ("top_p", 0.0), ("top_p", 1.1)])
def test_settings_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        Sampling(**{field: value})


@pytest.mark.parametrize("temperature", [1e-308, 5e-324, 1e-30])
def test_the_lowest_temperatures_are_greedy(temperature):
    assert draws(Sampling(temperature, seed=1), 5, LOGITS.flip(0)) == [4] * 5
