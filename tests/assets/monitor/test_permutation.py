from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import binom, chi2_contingency, mannwhitneyu, norm

from assets.monitor.permutation import Groups, holm, largest, permutation_tests, rank_shifts, word_shifts


def test_the_p_value_counts_the_observed_labelling_and_is_never_zero():
    values = np.arange(40.0)[::-1, None]
    groups = Groups(10, 30)
    test = permutation_tests({"shift": largest(rank_shifts(values, groups))}, groups, 999, seed=0)["shift"]
    assert test.p_value == 1 / 1000


def test_the_p_value_is_that_of_all_relabellings():
    values = np.array([3.1, 2.2, 9.0, 1.0, 1.5, 2.0, 0.4, 2.1])[:, None]
    groups = Groups(3, 5)
    shifts = largest(rank_shifts(values, groups))
    every = np.array([[place in chosen for place in range(8)] for chosen in combinations(range(8), 3)], np.float32)
    exact = float((shifts(every) >= shifts(groups.observed())[0] - 1e-9).mean())
    sampled = permutation_tests({"shift": shifts}, groups, 20_000, seed=1)["shift"].p_value
    assert sampled == pytest.approx(exact, abs=0.01)


def test_without_a_difference_small_p_values_are_as_rare_as_they_say():
    draw = np.random.default_rng(0)
    groups = Groups(20, 40)
    p_values = []
    for seed in range(400):
        shifts = largest(rank_shifts(draw.standard_normal((60, 3)), groups))
        p_values.append(permutation_tests({"shift": shifts}, groups, 99, seed)["shift"].p_value)
    for rate in (0.05, 0.2, 0.5):
        low, high = binom.interval(0.999, len(p_values), rate)
        assert low <= sum(p <= rate for p in p_values) <= high


def test_relabellings_choose_the_window_uniformly():
    groups = Groups(4, 6)
    labels = np.concatenate(list(groups.relabellings(5000, seed=2)))
    assert labels.shape == (5000, 10)
    assert (labels.sum(axis=1) == 4).all()
    assert labels.mean(axis=0) == pytest.approx(0.4, abs=0.04)


def test_the_rank_shift_is_the_mann_whitney_score():
    draw = np.random.default_rng(3)
    window, reference = draw.integers(0, 9, 30).astype(float), draw.integers(2, 11, 50).astype(float)
    groups = Groups(30, 50)
    score = rank_shifts(np.concatenate([window, reference])[:, None], groups)(groups.observed())[0, 0]
    p_value = mannwhitneyu(window, reference, method="asymptotic", use_continuity=False).pvalue
    assert 2 * norm.sf(abs(score)) == pytest.approx(p_value)
    assert score < 0


def test_a_constant_feature_has_no_shift():
    groups = Groups(5, 5)
    assert rank_shifts(np.ones((10, 1)), groups)(groups.observed()) == 0.0


def test_the_word_shift_is_the_likelihood_ratio_of_the_table():
    presence = np.zeros((50, 3))
    presence[:8, 0] = presence[40:, 0] = presence[:20, 1] = presence[3:9, 2] = 1
    groups = Groups(20, 30)
    ratios = word_shifts(csr_matrix(presence), groups)(groups.observed())[0]
    for word in range(3):
        inside, outside = int(presence[:20, word].sum()), int(presence[20:, word].sum())
        table = [[inside, outside], [20 - inside, 30 - outside]]
        expected = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
        assert ratios[word] == pytest.approx(expected)


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.02}, rate=0.05) == {"a": True, "b": True, "c": True}
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}, rate=0.05) == {"a": True, "b": False, "c": False}
    assert holm({"a": 0.02, "b": 0.02, "c": 0.02}, rate=0.05) == {"a": False, "b": False, "c": False}
