"""Which rows share a forward pass: few passes against little padding."""

from __future__ import annotations

from collections.abc import Sequence


def split_rows(lengths: Sequence[int], pass_cost_tokens: int) -> list[list[int]]:
    """Split rows of unequal length into the groups that cost the least, each one forward pass.

    A pass of n rows costs `pass_cost_tokens` (reading the weights, calling the kernels) plus n times its
    longest row, since shorter rows are padded. Rows sorted by length are cut by dynamic programming, in
    O(rows²); the answer holds row numbers, longest rows first.
    """
    if not lengths:
        return []
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    if lengths[order[0]] == lengths[order[-1]]:
        return [order]
    best = [0] + [0] * len(order)  # cost of the first k rows of the order
    cut = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        costs = [
            (best[start] + pass_cost_tokens + (end - start) * lengths[order[start]], start) for start in range(end)
        ]
        best[end], cut[end] = min(costs)
    groups: list[list[int]] = []
    end = len(order)
    while end > 0:
        groups.append(order[cut[end] : end])
        end = cut[end]
    return groups[::-1]


def share_budget(remaining: Sequence[int], budget_tokens: int) -> list[int]:
    """How many tokens each row computes in this step: one each, then the rest of the budget in row order.

    Every row moves, so a long prompt never holds up those that are already writing; it is computed in
    chunks beside them.
    """
    spare = max(0, budget_tokens - len(remaining))
    shares = []
    for wanted in remaining:
        extra = min(wanted - 1, spare)
        spare -= extra
        shares.append(1 + extra)
    return shares
