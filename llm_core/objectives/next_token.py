"""Next-token cross-entropy, summed over the targets that count, without ever holding all logits.

Logits of a batch are (tokens, vocabulary) in fp32: at 4,096 tokens and 8,192 ids, 128 MiB, and the same again for
their gradient. Here a chunk of rows at a time is projected, and its loss and gradient are taken on the spot, in the
same memory. The gradient costs no second projection, since d loss / d logits = softmax - one-hot is at hand.
"""

from typing import Any

import torch
from torch import Tensor


def next_token_loss(
    states: Tensor,
    head: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    chunk: int = 1024,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Sum ``-weight * log p(target)`` over a batch.

    The sum comes without a mean, so that micro-batches and processes add up: divided by the count over *all* of them,
    the gradient is that of one large batch.

    Args:
        states: (…, hidden), from the decoder.
        head: (vocab, hidden), the output matrix; the embedding where it is tied.
        targets: (…) ids.
        weights: (…) float, or None where every target counts. Rows with weight 0 are not even computed.
        chunk: rows whose logits exist at the same time.
        dtype: of the matrix products (softmax and sum are fp32); default that of ``states``.

    Returns:
        The loss in nats, an fp32 scalar with a gradient.
    """
    rows, ids = states.reshape(-1, states.shape[-1]), targets.reshape(-1)
    if weights is not None:
        weights = weights.reshape(-1).float()
        counting = weights.nonzero().squeeze(-1)
        rows, ids, weights = rows[counting], ids[counting], weights[counting]
    arguments = rows, head, ids, weights, chunk, dtype or states.dtype
    loss: Tensor = _ChunkedCrossEntropy.apply(*arguments)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy that takes its gradient in the forward pass; the backward pass scales it."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, head: Tensor, targets: Tensor, weights: Tensor | None, chunk: int, dtype: torch.dtype
    ) -> Tensor:
        wants_states, wants_head = ctx.needs_input_grad[:2]
        states_gradient = torch.empty_like(states) if wants_states else None
        head_gradient = torch.zeros_like(head, dtype=torch.float32) if wants_head else None
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        matrix = head.to(dtype)
        memory = torch.empty(min(chunk, len(states)), len(head), device=states.device)
        for start in range(0, len(states), chunk):
            rows = slice(start, start + chunk)
            x, target = states[rows].to(dtype), targets[rows, None]
            weight = None if weights is None else weights[rows, None]
            logits = memory[: len(x)]  # (chunk, vocab), fp32
            if dtype == torch.float32:
                torch.mm(x, matrix.T, out=logits)
            else:
                logits.copy_(x @ matrix.T)
            # In place, as is all that follows: fresh memory of this size costs as much as the arithmetic.
            log_probabilities = torch.log_softmax(logits, dim=-1, out=logits)
            loss = -log_probabilities.gather(-1, target)  # (chunk, 1)
            total += (loss if weight is None else loss * weight).sum()
            if not (wants_states or wants_head):
                continue
            gradient = log_probabilities.exp_()  # softmax, less one at the target
            gradient.scatter_add_(-1, target, torch.full_like(loss, -1.0))
            if weight is not None:
                gradient *= weight
            gradient = gradient.to(dtype)
            if states_gradient is not None:
                states_gradient[rows] = gradient @ matrix
            if head_gradient is not None:
                if dtype == torch.float32:
                    head_gradient.addmm_(gradient.T, x)
                else:
                    head_gradient += gradient.T @ x
        ctx.save_for_backward(states_gradient, head_gradient)
        ctx.head_dtype = head.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        states_gradient, head_gradient = ctx.saved_tensors
        scale = gradients[0]
        to_states = None if states_gradient is None else states_gradient * scale
        to_head = None if head_gradient is None else (head_gradient * scale).to(ctx.head_dtype)
        return to_states, to_head, None, None, None, None
