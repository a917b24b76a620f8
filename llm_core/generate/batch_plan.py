"""What one step computes: how many tokens of each row, and which rows share a forward pass."""

from collections.abc import Sequence


def split_rows(lengths: Sequence[int], pass_cost_tokens: int) -> list[list[int]]:
    """Split rows of unequal length into the groups that cost the least, each one forward pass.

    A pass of n rows costs ``pass_cost_tokens`` (reading the weights, calling the kernels) plus n times its
    longest row, since shorter rows are padded. Rows sorted by length are cut by dynamic programming, in
    O(rows²); the answer holds row numbers, longest rows first.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    best: list[tuple[int, list[list[int]]]] = [(0, [])]  # cost and groups of the order's first rows
    for end in range(1, len(order) + 1):
        start = min(range(end), key=lambda at: best[at][0] + (end - at) * lengths[order[at]])
        cost, groups = best[start]
        cost += pass_cost_tokens + (end - start) * lengths[order[start]]
        best.append((cost, [*groups, order[start:end]]))
    return best[-1][1]


def share_budget(remaining: Sequence[int], budget_tokens: int) -> list[int]:
    """How many tokens each row computes in this step: one each, then the rest of the budget in row order.

    So a long prompt never holds up those that are already writing; it is computed in chunks beside them.
    """
    spare = max(0, budget_tokens - len(remaining))
    shares = []
    for wanted in remaining:
        extra = min(wanted - 1, spare)
        spare -= extra
        shares.append(1 + extra)
    return shares
