"""How well the champion foresees a text: its loss in bits per byte, the monitors' view from inside the model."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from assets.monitor.features import Array
from assets.vocabulary import BOS, SPECIAL_TOKENS, Vocabulary
from llm_core.model.checkpoint import load_model

BATCH_TOKENS = 4096
DIGITS = 6


def bits_per_byte(champion: Path, texts: Sequence[str]) -> Array:
    """The champion's loss on each text, alone and from its beginning, in bits per UTF-8 byte, (texts,).

    What is past the model's last position is left out of both; an empty text has 0. Rows are
    batched by length, and rounded: what batching does to the last digits is no drift.
    """
    vocabulary = Vocabulary.load(champion)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(champion, device=device)
    longest = model.config.max_positions
    rows = [[SPECIAL_TOKENS.index(BOS), *ids][:longest] for ids in vocabulary.encode(texts)]
    bits = np.zeros(len(texts))
    with torch.inference_mode():
        for batch in _batches(rows):
            lengths = torch.tensor([len(rows[place]) for place in batch])
            tokens = torch.zeros(len(batch), int(lengths.max()), dtype=torch.long)
            for line, place in enumerate(batch):
                tokens[line, : len(rows[place])] = torch.tensor(rows[place])
            logits = model(tokens[:, :-1].to(device)).float()  # (batch, time - 1, vocab)
            nats = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:].to(device), reduction="none").double().cpu()
            counts = torch.arange(1, tokens.shape[1])[None] < lengths[:, None]
            bits[batch] = (nats * counts).sum(dim=1).numpy() / math.log(2)
    sizes = [_scored_bytes(vocabulary, text, row, longest) for text, row in zip(texts, rows, strict=True)]
    return np.round(bits / np.maximum(sizes, 1), DIGITS)


def _batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Places of rows of like length, so that little is padding; rows of BOS alone have nothing to score."""
    batch: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: (len(rows[place]), rows[place])):
        if len(rows[place]) < 2:
            continue
        if batch and (len(batch) + 1) * len(rows[place]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _scored_bytes(vocabulary: Vocabulary, text: str, row: Sequence[int], longest: int) -> int:
    if len(row) < longest:
        return len(text.encode())
    return len(vocabulary.tokenizer.decode(list(row[1:])).encode())
