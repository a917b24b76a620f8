from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from llm_core.generate.batch_plan import share_budget, split_rows

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=6)


def cost(groups: list[list[int]], lengths: list[int], pass_cost: int) -> int:
    return sum(pass_cost + len(group) * max(lengths[row] for row in group) for group in groups)


def test_rows_that_all_write_share_one_pass():
    assert split_rows([1, 1, 1], pass_cost_tokens=32) == [[0, 1, 2]]


def test_a_short_chunk_rides_along_and_a_long_one_gets_its_own_pass():
    assert split_rows([1, 8, 1], pass_cost_tokens=32) == [[1, 0, 2]]
    assert split_rows([1, 200, 1], pass_cost_tokens=32) == [[1], [0, 2]]


@given(LENGTHS, st.integers(0, 50))
def test_no_other_split_is_cheaper(lengths, pass_cost):
    groups = split_rows(lengths, pass_cost)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    cheapest = min(
        cost([[row for row, g in enumerate(labels) if g == label] for label in set(labels)], lengths, pass_cost)
        for labels in product(range(min(3, len(lengths))), repeat=len(lengths))
    )
    assert cost(groups, lengths, pass_cost) <= cheapest


@given(LENGTHS, st.integers(1, 100))
def test_every_row_moves_and_the_budget_holds(remaining, budget):
    shares = share_budget(remaining, budget)
    assert all(1 <= share <= wanted for share, wanted in zip(shares, remaining, strict=True))
    assert sum(shares) <= max(budget, len(remaining))
    assert sum(shares) == min(sum(remaining), max(budget, len(remaining)))
