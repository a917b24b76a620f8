"""Baselines that count: how often tokens, and short runs of them, occur in training."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from assets.evaluate.held_out import draw_key
from assets.evaluate.kneser_ney import KneserNey, starts
from assets.likelihood import Nats, Tokens
from llm_core.feed.shards import Shards


def training_stream(shards: Sequence[Path], *, most_tokens: int, seed: int) -> Tokens:
    """The training documents of all snapshots one after the other, or an even sample of `most_tokens` of them.

    Each is `<|bos|>` and its own tokens.
    """
    opened = [Shards(folder / "train") for folder in shards]
    share = min(1.0, most_tokens / max(1, sum(folder.tokens for folder in opened)))

    def sequences() -> Iterator[Tokens]:
        for folder in opened:
            for span in folder.spans(0, folder.tokens):
                if int.from_bytes(draw_key(seed, span.document), "big") < int(share * 2**128):
                    yield folder.read(span.start, span.stop - span.start - 1)  # without `<|eos|>`

    return np.concatenate([np.zeros(0, np.int64), *sequences()])


def unigram_nats(training: Tokens, vocab_size: int, sequences: Sequence[Tokens]) -> list[Nats]:
    """Score by how often a token occurs in training, each counted once more than it was (Laplace, add-one)."""
    counts = np.bincount(training[~starts(training)], minlength=vocab_size) + 1
    nats = np.log(counts.sum()) - np.log(counts)
    return [nats[sequence[1:]] for sequence in sequences]


def kneser_ney_nats(training: Tokens, vocab_size: int, order: int, sequences: Sequence[Tokens]) -> list[Nats]:
    """Score by an interpolated modified Kneser-Ney model of the training stream."""
    asked = np.concatenate(sequences)
    nats = -np.log(KneserNey.fit(training, vocab_size, order).probabilities(asked))
    return [part[1:] for part in np.split(nats, np.cumsum([sequence.size for sequence in sequences])[:-1])]
