"""How far a compressed model is from the one that it was made of."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_core.model.transformer import Transformer


@dataclass(frozen=True)
class Fidelity:
    """A variant beside its reference, over some tokens."""

    reference_bytes: int
    """Bytes of the reference's weights."""
    variant_bytes: int
    """Bytes of the variant's weights."""
    logit_error: float
    """Root mean square of the difference in logits, as a share of the reference's standard deviation."""
    divergence: float
    """Mean Kullback–Leibler divergence of the variant's next-token distribution from the reference's, in nats."""
    agreement: float
    """Share of positions where both find the same token most likely."""


@torch.no_grad()
def measure_fidelity(reference: Transformer, variant: Transformer, tokens: Tensor) -> Fidelity:
    """Compare two models of one vocabulary on the same sequences, (batch, time)."""
    expected, actual = reference(tokens).double(), variant(tokens).double()  # (batch, time, vocab)
    expected_log, actual_log = F.log_softmax(expected, dim=-1), F.log_softmax(actual, dim=-1)
    return Fidelity(
        reference_bytes=weight_bytes(reference),
        variant_bytes=weight_bytes(variant),
        logit_error=((actual - expected).square().mean().sqrt() / expected.std()).item(),
        divergence=(expected_log.exp() * (expected_log - actual_log)).sum(-1).mean().item(),
        agreement=(expected.argmax(-1) == actual.argmax(-1)).double().mean().item(),
    )


def weight_bytes(model: Transformer) -> int:
    """Count the bytes of a model's weights, scales included."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
