from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llm_core.feed.shards import Shards
from tests.llm_core.feed.shard_writer import ShardWriter

MakeShards = Callable[..., Shards]


@pytest.fixture
def make_shards(tmp_path: Path) -> MakeShards:
    """Shards whose documents have the given lengths; token t of the stream is t modulo the vocabulary."""
    made = 0

    def make(lengths: list[int], *, shard_tokens: int = 1000, vocab_size: int = 5000, loss: bool = False) -> Shards:
        nonlocal made
        made += 1
        folder, start = tmp_path / f"shards-{made}", 0
        with ShardWriter(folder, vocab_size, shard_tokens) as writer:
            for number, length in enumerate(lengths):
                tokens = np.arange(start, start + length) % vocab_size
                writer.add(f"{made:04x}{number:028x}", tokens, tokens % 2 if loss else None)
                start += length
        return Shards(folder)

    return make
