"""One model version's share of the engine: its queue, its running batch, its cache."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import torch

from llm_core.generate.batch_plan import share_budget, split_rows
from llm_core.generate.sequence import Sequence
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.cache import Cache
from llm_core.model.transformer import Transformer


@dataclass(frozen=True, eq=False)
class EngineModel:
    """A model version that can write: weights in evaluation mode, and the bytes of its tokens."""

    version: str
    """Name that each completion carries."""
    transformer: Transformer
    """The weights."""
    vocabulary: TokenBytes
    """What its tokens stand for."""


@dataclass(frozen=True)
class EngineConfig:
    """How much runs at once."""

    slots: int = 16
    """Most requests in the running batch, per model version."""
    context_tokens: int = 0
    """Most tokens of prompt and completion together (0 = the model's max_positions)."""
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
        transformer = model.transformer
        self.model = model
        self.capacity = context_tokens(transformer, config)
        weight = transformer.norm.weight  # floating, in an int8 model too
        self.cache = Cache(transformer.config, config.slots, self.capacity, dtype=weight.dtype, device=weight.device)
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
        if any(sequence.is_finished for sequence in self.running):
            for sequence in self.running:
                if sequence.is_finished:
                    heapq.heappush(self._free, sequence.slot)
            self.running = [sequence for sequence in self.running if not sequence.is_finished]


def context_tokens(transformer: Transformer, config: EngineConfig) -> int:
    """Most tokens of prompt and completion together."""
    most = transformer.config.max_positions
    return min(config.context_tokens, most) if config.context_tokens else most


def pad_rows(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Stack token lists into (rows, longest), padded on the right; and their lengths, unless all are equal."""
    lengths = [len(row) for row in rows]
    longest = max(lengths)
    if min(lengths) == longest:
        return torch.tensor(rows, device=device), None
    padded = [row + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=device), torch.tensor(lengths, device=device)
