import math

import numpy as np
import pytest
import torch

from assets.monitor.loss import bits_per_byte
from assets.vocabulary import Vocabulary
from llm_core.model.checkpoint import load_model


def by_hand(champion, text: str, longest: int = 128) -> float:
    """A text's bits per byte, one token after another."""
    vocabulary, model = Vocabulary.load(champion), load_model(champion)
    ids = [0, *vocabulary.encode([text])[0]][:longest]
    with torch.inference_mode():
        scores = [model(torch.tensor([ids[:place]]))[0, -1].log_softmax(-1)[ids[place]] for place in range(1, len(ids))]
    kept = vocabulary.tokenizer.decode(ids[1:]).encode()
    return -sum(map(float, scores)) / math.log(2) / len(kept)


TEXTS = ["What does Mill.open do?", "é", "Explain the tide. " * 40, "What is a <|user|> token?"]


def test_the_loss_is_the_sum_over_all_tokens_from_the_beginning(champion):
    found = bits_per_byte(champion, TEXTS)
    assert found == pytest.approx([by_hand(champion, text) for text in TEXTS], abs=1e-4)


def test_neither_company_nor_order_changes_a_loss(champion):
    together = bits_per_byte(champion, [*TEXTS, *map(str, range(300))])[: len(TEXTS)]
    alone = np.concatenate([bits_per_byte(champion, [text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=1e-5)
    assert bits_per_byte(champion, TEXTS[::-1])[::-1] == pytest.approx(together, abs=1e-5)


def test_nothing_asked_costs_nothing(champion):
    assert bits_per_byte(champion, [""]).tolist() == [0.0]
    assert bits_per_byte(champion, []).tolist() == []


def test_a_model_foresees_what_it_was_trained_on_better_than_the_same_letters_backwards(champion, library):
    texts = [document.text[:200] for document in library.in_domain[:50]]
    forwards, backwards = bits_per_byte(champion, texts), bits_per_byte(champion, [text[::-1] for text in texts])
    assert forwards.mean() < backwards.mean()
