import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llm_core.model.config import ModelConfig
from llm_core.train.config import DataSource, RunConfig, TrainConfig
from tests.llm_core.feed.shard_writer import ShardWriter

VOCAB = 64


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shard folders, ``train`` and ``held_out``, of text with something to learn: each token has 2 successors."""
    root, random = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    successors = random.integers(0, VOCAB - 1, size=(VOCAB, 2))  # the last token, VOCAB - 1, never occurs
    for name, documents in (("train", 120), ("held_out", 12)):
        with ShardWriter(root / name, VOCAB, shard_tokens=2000) as writer:
            for number in range(documents):
                tokens = [int(random.integers(VOCAB - 1))]
                for choice in random.integers(0, 2, size=random.integers(20, 60)):
                    tokens.append(int(successors[tokens[-1], choice]))
                writer.add(f"{name.encode().hex()[:8]}{number:024x}", tokens)
    return root


@pytest.fixture
def make_run(corpus: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """A run of a tiny model; the first argument names its output and scratch folders, keywords change the recipe."""
    model = ModelConfig(vocab_size=VOCAB, hidden_size=16, layers=2, heads=2, tied=False, max_positions=64)
    recipe = TrainConfig(
        steps=12, sequences=8, length=16, warmup_steps=2, checkpoint_every=4, precision="fp32", compile="off", threads=1
    )

    def make(name: str = "run", /, *, run: dict[str, object] | None = None, **recipe_changes: object) -> RunConfig:
        config = RunConfig(
            data=(DataSource(str(corpus / "train")),),
            output=str(tmp_path / name / "output"),
            scratch=str(tmp_path / name / "scratch"),
            model=model,
            train=dataclasses.replace(recipe, **recipe_changes),  # type: ignore[arg-type]
        )
        return dataclasses.replace(config, **(run or {}))  # type: ignore[arg-type]

    return make
