"""How well the champion foresees a text: its loss in bits per byte, the monitors' view from inside the model."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from assets.likelihood import Tokens, token_nats
from assets.monitor.features import Array
from assets.vocabulary import BOS, SPECIAL_TOKENS, Vocabulary
from llm_core.model.checkpoint import load_model

BATCH_TOKENS = 4096
DIGITS = 6


def bits_per_byte(champion: Path, texts: Sequence[str]) -> Array:
    """The champion's loss on each text, alone and from its beginning, in bits per UTF-8 byte, (texts,).

    What is past the model's last position is left out of both; an empty text has 0. The figures are
    rounded: what batching does to the last digits is no drift.
    """
    vocabulary = Vocabulary.load(champion)
    model = load_model(champion, device="cuda" if torch.cuda.is_available() else "cpu")
    longest = model.config.max_positions
    rows = [np.array([SPECIAL_TOKENS.index(BOS), *ids][:longest]) for ids in vocabulary.encode(texts)]
    nats = token_nats(model, rows, context=longest, stride=1, batch_tokens=BATCH_TOKENS)
    sizes = [_scored_bytes(vocabulary, text, row, longest) for text, row in zip(texts, rows, strict=True)]
    return np.round(np.array([part.sum() for part in nats]) / math.log(2) / np.maximum(sizes, 1), DIGITS)


def _scored_bytes(vocabulary: Vocabulary, text: str, row: Tokens, longest: int) -> int:
    if row.size < longest:
        return len(text.encode())
    return len(vocabulary.tokenizer.decode(row[1:].tolist()).encode())
