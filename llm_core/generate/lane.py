"""One model version's share of the engine: its queue, its running batch, its cache."""

import heapq
from collections import deque
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import torch

from llm_core.generate.sequence import Sequence
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.cache import Cache
from llm_core.model.transformer import Transformer


@dataclass(frozen=True, eq=False)
class EngineModel:
    """A model version that can write: weights in evaluation mode, and the bytes of its tokens."""

    version: str  # name that each completion carries
    transformer: Transformer
    vocabulary: TokenBytes

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and completion together."""
        return self.transformer.config.max_positions


@dataclass(frozen=True)
class EngineConfig:
    """How much runs at once."""

    slots: int = 16
    """Most requests in the running batch, per model version."""
    step_tokens: int = 512
    """Most tokens computed in one step: a long prompt is cut into chunks of this, less what the others take."""
    pass_cost_tokens: int = 32
    """What one more forward pass costs, counted in tokens of padding: decides which rows share a pass."""


class Lane:
    """Requests that share a model version.

    A request is bound to its version when it is submitted, since that version's tokenizer made its tokens; while a
    new version takes over, two lanes run side by side until the old one is empty.
    """

    def __init__(self, model: EngineModel, config: EngineConfig) -> None:
        shape, weight = model.transformer.config, model.transformer.norm.weight  # floating, in an int8 model too
        self.model = model
        self.cache = Cache(shape, config.slots, shape.max_positions, dtype=weight.dtype, device=weight.device)
        self.device = weight.device
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._config = config
        self._free = list(range(config.slots))

    @property
    def is_busy(self) -> bool:
        return bool(self.running or self.waiting)

    def admit(self) -> None:
        """Give free slots to those that wait, first come first served; the lowest slot first, to keep rows adjacent."""
        while self.waiting and self._free:
            sequence = self.waiting.popleft()
            sequence.slot = heapq.heappop(self._free)
            self.cache.clear(sequence.slot)
            self.running.append(sequence)

    def plan(self) -> list[list[tuple[Sequence, int]]]:
        """The forward passes of this step: groups of running sequences, each with its number of tokens."""
        shares = share_budget([sequence.remaining for sequence in self.running], self._config.step_tokens)
        return [
            sorted(((self.running[row], shares[row]) for row in group), key=lambda pair: pair[0].slot)
            for group in split_rows(shares, self._config.pass_cost_tokens)
        ]

    def release(self) -> None:
        """Take finished sequences out, and free their slots."""
        for sequence in self.running:
            if sequence.is_finished:
                heapq.heappush(self._free, sequence.slot)
        self.running = [sequence for sequence in self.running if not sequence.is_finished]
        self.waiting = deque(sequence for sequence in self.waiting if not sequence.is_finished)


def pad_rows(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Stack token lists into (rows, longest), padded on the right; and their lengths, unless all are equal."""
    lengths = [len(row) for row in rows]
    longest = max(lengths)
    if min(lengths) == longest:
        return torch.tensor(rows, device=device), None
    padded = [row + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=device), torch.tensor(lengths, device=device)


def split_rows(lengths: SequenceOf[int], pass_cost_tokens: int) -> list[list[int]]:
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


def share_budget(remaining: SequenceOf[int], budget_tokens: int) -> list[int]:
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
