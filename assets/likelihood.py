"""Negative log-likelihoods of token sequences under a decoder: for evaluation, and for the monitors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from llm_core.model.transformer import Transformer

Tokens = npt.NDArray[np.int64]
Nats = npt.NDArray[np.float64]

HEAD_ROWS = 1024
"""Tokens whose scores over the vocabulary are held at once."""


@dataclass(frozen=True)
class Window:
    """What a model reads at once of a sequence: inputs `[start, stop)`; the targets after `[scored, stop)` count."""

    sequence: int
    start: int
    stop: int
    scored: int


def windows(length: int, context: int, stride: int, sequence: int = 0) -> list[Window]:
    """Windows over a sequence of `length` tokens that score each but the first exactly once.

    The first scores all that it reads; each later one moves on by `stride` and scores what is new,
    with at least `context - stride` tokens before it.
    """
    found = [Window(sequence, 0, min(context, length - 1), 0)]
    while found[-1].stop < length - 1:
        stop = min(found[-1].stop + stride, length - 1)
        found.append(Window(sequence, max(0, stop - context), stop, found[-1].stop))
    return found


def token_nats(
    model: Transformer,
    sequences: Sequence[Tokens],
    *,
    context: int,
    stride: int,
    batch_tokens: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Nats]:
    """Nats of all tokens but the first of each sequence, (length - 1,).

    A model sees at most `context` tokens at once, and windows move by `stride`; a forward pass has
    `batch_tokens`, padding included; `progress` hears how many tokens are done.
    """
    nats = [np.zeros(sequence.size - 1) for sequence in sequences]
    parts = [
        window
        for number, sequence in enumerate(sequences)
        if sequence.size > 1
        for window in windows(sequence.size, context, min(stride, context - 1), number)
    ]
    done = 0
    for batch in _batches(parts, batch_tokens):
        for window, scores in zip(batch, _score_batch(model, sequences, batch), strict=True):
            nats[window.sequence][window.scored : window.stop] = scores
        done += sum(window.stop - window.scored for window in batch)
        progress(done)
    return nats


def _batches(parts: Sequence[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Windows of like length together, longest first, each batch within the budget of padded tokens."""
    ordered = sorted(parts, key=lambda window: (window.start - window.stop, window.sequence, window.start))
    begin = 0
    while begin < len(ordered):
        rows = max(1, batch_tokens // (ordered[begin].stop - ordered[begin].start))
        yield ordered[begin : begin + rows]
        begin += rows


@torch.inference_mode()
def _score_batch(model: Transformer, sequences: Sequence[Tokens], batch: Sequence[Window]) -> list[Nats]:
    device = model.embed_tokens.weight.device
    longest = max(window.stop - window.start for window in batch)
    inputs = torch.zeros(len(batch), longest, dtype=torch.long)  # padding on the right is never attended to
    for row, w in enumerate(batch):
        inputs[row, : w.stop - w.start] = torch.from_numpy(sequences[w.sequence][w.start : w.stop])
    states = model.states(inputs.to(device))  # (rows, longest, hidden)
    scored = torch.cat([states[row, w.scored - w.start : w.stop - w.start] for row, w in enumerate(batch)])
    following = np.concatenate([sequences[w.sequence][w.scored + 1 : w.stop + 1] for w in batch])
    targets = torch.from_numpy(following).to(device)
    nats = [
        F.cross_entropy(model.head(some).float(), of_some, reduction="none")
        for some, of_some in zip(torch.split(scored, HEAD_ROWS), torch.split(targets, HEAD_ROWS), strict=True)
    ]
    return np.split(torch.cat(nats).double().cpu().numpy(), np.cumsum([w.stop - w.scored for w in batch])[:-1])
