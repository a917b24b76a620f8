"""Keys and values of sequences in progress, so that each new token costs one row of work."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llm_core.errors import LLMCoreError
from llm_core.model.config import ModelConfig


class CacheError(LLMCoreError):
    """A forward pass asks of the cache what it has no room or no slot for."""


class Cache:
    """Room for ``slots`` sequences of up to ``capacity`` tokens, allocated once.

    A sequence owns a slot from its first token until ``clear``. ``lengths[slot]`` is how many tokens the slot holds;
    what lies behind them is never attended to. The cache is for inference: no gradient flows through it.

    Shapes: ``keys`` and ``values`` (layers, slots, capacity, kv_heads, head_dim), ``lengths`` (slots,) int64.
    """

    def __init__(
        self,
        config: ModelConfig,
        slots: int,
        capacity: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 1 <= capacity <= config.max_positions:
            raise CacheError(f"capacity is {capacity}; it must be from 1 to max_positions={config.max_positions}")
        self.slots, self.capacity = slots, capacity
        shape = (config.layers, slots, capacity, config.kv_heads, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.lengths = torch.zeros(slots, dtype=torch.int64, device=device)

    def clear(self, slot: int) -> None:
        """Free a slot for a new sequence."""
        self.lengths[slot] = 0

    def append(self, batch: int, time: int, slots: Tensor | None = None, lengths: Tensor | None = None) -> Append:
        """Plan to append ``time`` tokens to each of ``batch`` slots; the plan carries one forward pass.

        ``slots`` (batch,) names each row's slot (default: the first ``batch``); ``lengths`` (batch,) says how many of
        a row's tokens are real, the rest being padding on the right (default: all).

        Raises:
            CacheError: if a slot does not exist, comes twice, or has no room for its tokens.
        """
        device = self.lengths.device
        slots = torch.arange(batch, device=device) if slots is None else slots.to(device)
        lengths = torch.full((batch,), time, device=device) if lengths is None else lengths.to(device)
        if not slots.shape == lengths.shape == (batch,):
            raise CacheError(f"slots and lengths must each hold one value for each of the {batch} rows")
        named, counts = slots.tolist(), lengths.tolist()
        if len(set(named)) < batch or not all(0 <= slot < self.slots for slot in named):
            raise CacheError(f"slots are {named}; they must be distinct and from 0 to {self.slots - 1}")
        if not all(0 <= count <= time for count in counts):
            raise CacheError(f"lengths are {counts}; they must be from 0 to the {time} tokens of a row")
        starts = self.lengths[slots]
        held = starts.tolist()
        ends = [start + count for start, count in zip(held, counts, strict=True)]
        total = max(ends)
        if total > self.capacity:
            full = named[ends.index(total)]
            raise CacheError(f"slot {full} would hold {total} tokens, more than its capacity of {self.capacity}")
        return Append(
            cache=self,
            slots=slots,
            lengths=lengths,
            positions=starts[:, None] + torch.arange(time, device=device),
            total=total,
            rows=slice(named[0], named[0] + batch) if named == list(range(named[0], named[0] + batch)) else None,
            is_fresh=not any(held),
            is_level=min(ends) == total,
        )


@dataclass(frozen=True)
class Append:
    """One forward pass's tokens on their way into a cache."""

    cache: Cache
    slots: Tensor  # (batch,) the slot of each row
    lengths: Tensor  # (batch,) its valid tokens
    positions: Tensor  # (batch, time) place of each new token in its own sequence
    total: int  # tokens of the longest of these sequences after the pass
    rows: slice | None  # the slots, where they are adjacent: a view then replaces a copy
    is_fresh: bool  # every row starts a sequence: nothing stored before is attended to
    is_level: bool  # every row ends at total: with one token each, all that is stored is attended to

    def mask(self) -> Tensor | None:
        """Which stored tokens each new token sees: (batch, 1, time, total), or None where plain causality says it."""
        if self.is_fresh or (self.is_level and self.positions.shape[1] == 1):
            return None
        stored = torch.arange(self.total, device=self.positions.device)
        return (stored <= self.positions[:, :, None])[:, None]

    def store(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write a layer's new keys and values, and return what the new tokens may attend to.

        Takes (batch, kv_heads, time, head_dim); returns (batch, kv_heads, total, head_dim), or what it was given where
        every row starts a sequence. Padding is not written.
        """
        keys, values = self.cache.keys[layer], self.cache.values[layer]  # (slots, capacity, kv_heads, head_dim)
        is_token = torch.arange(k.shape[2], device=self.slots.device) < self.lengths[:, None]  # (batch, time)
        place = self.slots[:, None].expand_as(is_token)[is_token], self.positions[is_token]
        keys[place] = k.detach().transpose(1, 2)[is_token].to(keys.dtype)
        values[place] = v.detach().transpose(1, 2)[is_token].to(values.dtype)
        if self.is_fresh:
            return k, v
        rows = self.slots if self.rows is None else self.rows
        k_all, v_all = keys[rows, : self.total], values[rows, : self.total]
        return k_all.transpose(1, 2).to(k.dtype), v_all.transpose(1, 2).to(v.dtype)

    def commit(self) -> None:
        """Count the appended tokens, once every layer has stored them."""
        self.cache.lengths[self.slots] += self.lengths
