"""A tiny model with varied output, and a tiny byte-level tokenizer."""

from typing import NamedTuple

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_core.generate.text_stream import TokenBytes
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

TEXTS = ["the tide mill turns when the tide comes in", "naïve café — 潮汐 🌊", "def mill(tide): return tide * 2"]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A byte-level BPE of 300 tokens, four of them special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|bos|>", "<|eos|>", "<|pad|>", "<|end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return tokenizer


def random_model(seed: int, vocab_size: int = 300) -> Transformer:
    """Untied and with large weights: greedy output then wanders instead of repeating one token."""
    torch.manual_seed(seed)
    config = ModelConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        layers=2,
        heads=4,
        kv_heads=2,
        max_positions=128,
        tied=False,
        init_std=0.3,
    )
    return Transformer(config).eval()


class TinyModel(NamedTuple):
    """What an engine takes."""

    transformer: Transformer
    vocabulary: TokenBytes


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> TinyModel:
    return TinyModel(random_model(seed=1), TokenBytes(tokenizer))


@pytest.fixture(scope="session")
def other_model(tokenizer: Tokenizer) -> TinyModel:
    return TinyModel(random_model(seed=2), TokenBytes(tokenizer))
