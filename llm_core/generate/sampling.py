"""Choosing the next token: greedy, temperature and nucleus (top-p) sampling."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llm_core.errors import ConfigError

LIKELIEST_FIRST = 256
"""How many tokens are looked at before all are sorted: sorting a vocabulary costs more than a small model's step."""


@dataclass(frozen=True)
class Sampling:
    """How one request chooses its tokens."""

    temperature: float = 1.0  # divisor of the logits (≥ 0); 0 always takes the most likely token
    top_p: float = 1.0  # mass (0 < p ≤ 1) of the smallest set of likeliest tokens that is sampled from
    seed: int = 0  # of this request's own stream of draws

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 100.0:
            raise ConfigError(f"temperature is {self.temperature}: give a number from 0 to 100")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p is {self.top_p}: give a number above 0 and at most 1")


class Sampler:
    """One request's stream of draws.

    Each token is the inverse of the cumulative distribution at one uniform number of the request's own generator:
    draws depend on its seed and its logits alone, never on who shares the batch.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.sampling, self.draws = sampling, random.Random(sampling.seed)


def choose_tokens(logits: Tensor, samplers: Sequence[Sampler]) -> list[int]:
    """Choose one token a row of ``logits`` (rows, vocabulary), each by its own sampler and from its row alone."""
    chosen = logits.argmax(dim=-1)
    drawn = [row for row, sampler in enumerate(samplers) if sampler.sampling.temperature > 0.0]
    if drawn:
        chosen[drawn] = _draw(logits[drawn], [samplers[row] for row in drawn])
    return chosen.tolist()


def _draw(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    temperature = logits.new_tensor([s.sampling.temperature for s in samplers], dtype=torch.float64)
    below = logits.double() - logits.amax(dim=-1, keepdim=True)  # so that no temperature makes NaN of it
    weights = torch.softmax(below / temperature[:, None], dim=-1)
    for row, sampler in enumerate(samplers):
        if sampler.sampling.top_p < 1.0:
            weights[row] = keep_nucleus(weights[row], sampler.sampling.top_p)

    cumulative = weights.cumsum(dim=-1)
    total = cumulative[:, -1]
    uniform = weights.new_tensor([s.draws.random() for s in samplers])
    # Strictly below the total, whatever the rounding: then the token found has a weight above zero.
    target = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]


def keep_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of likeliest tokens whose mass reaches ``top_p`` (Holtzman et al., 2020).

    Takes and returns (vocabulary,). Tokens as likely as the last of the set are kept too, so that the set does not
    depend on the order of equals.
    """
    likeliest = probabilities.topk(min(LIKELIEST_FIRST, len(probabilities))).values
    if likeliest.sum() < top_p:
        likeliest = probabilities.sort(descending=True).values
    last = int((likeliest.cumsum(dim=-1)[:-1] < top_p).sum())
    return probabilities.masked_fill(probabilities < likeliest[last], 0.0)
