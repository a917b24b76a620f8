"""Negative log-likelihoods of token sequences, by anything that predicts: a decoder, counts of tokens, n-grams."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import Tokens
from assets.evaluate.kneser_ney import KneserNey
from assets.evaluate.scores import Nats
from assets.evaluate.token_stream import TokenStream
from llm_core.model.transformer import Transformer

HEAD_ROWS = 1024
"""Tokens whose scores over the vocabulary are held at once."""


Scorer = Callable[[Sequence[Tokens]], list[Nats]]
"""Scores sequences that begin with the start token: for each, (length - 1,) nats, of all tokens but the first."""


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


def decoder(model: Transformer, config: EvaluateConfig, context: int, progress: Callable[[int], None]) -> Scorer:
    """Score by a decoder in fp32; `context` is the window's length in tokens, `progress` hears of all tokens done."""

    def score(sequences: Sequence[Tokens]) -> list[Nats]:
        nats = [np.zeros(sequence.size - 1) for sequence in sequences]
        parts = [
            window
            for number, sequence in enumerate(sequences)
            if sequence.size > 1
            for window in windows(sequence.size, context, min(config.stride_tokens, context - 1), number)
        ]
        done = 0
        for batch in _batches(parts, config.batch_tokens):
            for window, scores in zip(batch, _score_batch(model, sequences, batch), strict=True):
                nats[window.sequence][window.scored : window.stop] = scores
            done += sum(window.stop - window.scored for window in batch)
            progress(done)
        return nats

    return score


def unigram(stream: TokenStream, vocab_size: int) -> Scorer:
    """Score by how often a token occurs in training, each counted once more than it was (Laplace, add-one)."""
    counts = np.bincount(stream.tokens[stream.places > 0], minlength=vocab_size) + 1
    nats = np.log(counts.sum()) - np.log(counts)
    return lambda sequences: [nats[sequence[1:]] for sequence in sequences]


def kneser_ney(stream: TokenStream, vocab_size: int, order: int) -> Scorer:
    """Score by an interpolated modified Kneser-Ney model of the training stream."""
    model = KneserNey.fit(stream, vocab_size, order)

    def score(sequences: Sequence[Tokens]) -> list[Nats]:
        asked = TokenStream.of(sequences)
        return asked.split(-np.log(model.probabilities(asked)))

    return score


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Compute with this many threads, and as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(parts: Sequence[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Windows of like length together, longest first, each batch within the budget of padded tokens."""
    ordered = sorted(parts, key=lambda window: (window.start - window.stop, window.sequence, window.start))
    begin = 0
    while begin < len(ordered):
        rows = max(1, batch_tokens // (ordered[begin].stop - ordered[begin].start))
        yield ordered[begin : begin + rows]
        begin += rows


@torch.inference_mode()
def _score_batch(model: Transformer, sequences: Sequence[Tokens], batch: Sequence[Window]) -> list[npt.NDArray[Any]]:
    longest = max(window.stop - window.start for window in batch)
    inputs = torch.zeros(len(batch), longest, dtype=torch.long)  # padding on the right is never attended to
    for row, w in enumerate(batch):
        inputs[row, : w.stop - w.start] = torch.from_numpy(sequences[w.sequence][w.start : w.stop])
    states = model.states(inputs)  # (rows, longest, hidden)
    scored = torch.cat([states[row, w.scored - w.start : w.stop - w.start] for row, w in enumerate(batch)])
    targets = torch.from_numpy(np.concatenate([sequences[w.sequence][w.scored + 1 : w.stop + 1] for w in batch]))
    nats = [
        F.cross_entropy(model.head(some).float(), of_some, reduction="none")
        for some, of_some in zip(torch.split(scored, HEAD_ROWS), torch.split(targets, HEAD_ROWS), strict=True)
    ]
    return np.split(torch.cat(nats).double().numpy(), np.cumsum([w.stop - w.scored for w in batch])[:-1])
