"""Bits of sequences: each token scored once, as by a plain loop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assets.likelihood import token_nats, windows
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

SEQUENCES = [np.random.default_rng(7).integers(0, 50, size) for size in (1, 2, 9, 33, 40, 57, 90)]


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        ModelConfig(vocab_size=50, hidden_size=16, layers=2, heads=2, max_positions=32, init_std=0.3)
    ).eval()


@given(st.integers(2, 300), st.integers(2, 40), st.data())
def test_windows_score_every_token_once_with_enough_context(length: int, context: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, context - 1))

    found = windows(length, context, stride)

    scored = [target for window in found for target in range(window.scored, window.stop)]
    assert scored == list(range(length - 1))
    assert all(window.stop - window.start <= context for window in found)
    assert all(window.start <= max(0, window.scored - (context - stride)) for window in found)


@torch.inference_mode()
def plain_nats(model: Transformer, sequence: np.ndarray, context: int, stride: int) -> list[float]:
    """One token at a time, from the window that the definition gives it."""
    nats = []
    for window in windows(len(sequence), context, stride):
        logits = model(torch.from_numpy(sequence[window.start : window.stop])[None])[0].double()
        for target in range(window.scored, window.stop):
            nats.append(-float(torch.log_softmax(logits[target - window.start], -1)[sequence[target + 1]]))
    return nats


@pytest.mark.parametrize("batch_tokens", [1, 64, 4096])
def test_a_decoder_scores_as_a_plain_loop_does(model: Transformer, batch_tokens: int) -> None:
    found = token_nats(model, SEQUENCES, context=24, stride=10, batch_tokens=batch_tokens)

    assert [part.size for part in found] == [sequence.size - 1 for sequence in SEQUENCES]
    for part, sequence in zip(found[1:], SEQUENCES[1:], strict=True):
        np.testing.assert_allclose(part, plain_nats(model, sequence, 24, 10), atol=2e-5)


def test_progress_counts_every_token_once(model: Transformer) -> None:
    heard: list[int] = []

    token_nats(model, SEQUENCES, context=24, stride=10, batch_tokens=64, progress=heard.append)

    assert heard == sorted(set(heard))
    assert heard[-1] == sum(sequence.size - 1 for sequence in SEQUENCES)
