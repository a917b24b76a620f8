"""Standard errors and intervals, checked by drawing the same experiment many times."""

import math

import numpy as np
import pytest
from scipy import stats

from assets.evaluate.estimates import differences_by_unit, mean_interval, units_needed
from assets.evaluate.report import Completion, Figure

LN2 = math.log(2)


def test_bits_per_byte_pools_nats_over_bytes() -> None:
    estimate = Figure.of(np.array([8.0, 4.0]) * LN2, np.array([4.0, 2.0]), ["a", "a"])

    assert estimate.bits_per_byte == pytest.approx(2.0)
    assert estimate.standard_error is None


def test_the_clustered_standard_error_is_the_estimates_spread_where_the_naive_one_is_too_small() -> None:
    rng = np.random.default_rng(3)
    clusters = [f"host{number // 12}" for number in range(12 * 40)]
    values, errors, naive = [], [], []
    for _ in range(300):
        sizes = rng.integers(200, 2000, len(clusters)).astype(float)
        of_host = np.repeat(rng.normal(0, 0.3, 40), 12)
        nats = (2 + of_host + rng.normal(0, 0.3, len(clusters))) * sizes * LN2
        estimate = Figure.of(nats, sizes, clusters)
        values.append(estimate.bits_per_byte)
        errors.append(estimate.standard_error or 0.0)
        naive.append(Figure.of(nats, sizes, list(map(str, range(len(clusters))))).standard_error or 0.0)

    spread = np.std(values)
    assert np.mean(errors) == pytest.approx(spread, rel=0.12)
    assert np.mean(naive) < 0.6 * spread


def test_a_positive_difference_means_that_the_candidate_needs_fewer_bits() -> None:
    gains = differences_by_unit(np.array([4.0, 4.0, 9.0]), np.array([2.0, 3.0, 10.0]), np.ones(3), ["a", "a", "b"])

    np.testing.assert_allclose(gains * LN2, [1.5, -1.0])


@pytest.mark.parametrize("units", [2, 3, 5, 12])
@pytest.mark.parametrize("unevenness", [0.0, 1.5])
def test_few_units_of_uneven_variance_are_wrong_no_more_often_than_said(units: int, unevenness: float) -> None:
    rng = np.random.default_rng(units)
    trials, rate = 3000, 0.05
    spread = np.exp(unevenness * rng.normal(size=units))

    wrong = sum(mean_interval(rng.normal(0, spread), rate).low > 0 for _ in range(trials))

    assert stats.binomtest(wrong, trials, rate, alternative="greater").pvalue > 0.001


def test_one_unit_bounds_nothing() -> None:
    interval = mean_interval(np.array([0.3]), 0.05)

    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert units_needed(interval.mean, interval.deviation, 0.05, 0.8) is None


def test_the_number_needed_gives_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    seen = mean_interval(np.array([0.0, 1.0, 2.0, -0.6, 1.6]), 0.05)
    needed = units_needed(seen.mean, seen.deviation, 0.05, 0.8)
    assert needed is not None

    found = np.mean([mean_interval(rng.normal(seen.mean, seen.deviation, needed), 0.05).low > 0 for _ in range(2000)])

    assert 0.76 < found < 0.9


def test_no_number_of_units_shows_an_effect_that_is_not_there() -> None:
    assert units_needed(0.0, 1.0, 0.05, 0.8) is None


def test_wilson_keeps_an_interval_where_nothing_was_right() -> None:
    completion = Completion.of(0, 20)

    assert completion.low == 0.0
    assert completion.high == pytest.approx(0.161, abs=0.001)  # 1.96² / (20 + 1.96²)
