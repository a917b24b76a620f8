"""Evaluation's part of the spec, and the gate's."""

from typing import Literal, Self

from pydantic import Field, model_validator

from assets.config import Config


class EvaluateConfig(Config):
    """What is measured on held-out documents, and how much of it."""

    candidate: Literal["pretrained_checkpoint", "finetuned", "lora_finetuned"] = "pretrained_checkpoint"
    """Asset whose checkpoint the gate judges; the others are measured beside it."""
    documents_per_domain: int = Field(100, ge=1)
    """Most held-out documents of one domain (a host), drawn evenly by a hash of their ids."""
    tokens: int = Field(80_000, ge=1)
    """Most held-out tokens in all, shared evenly by the domains; a document is taken whole or not at all."""
    seed: int = 0
    """Seed of every draw: documents, distractors, prompts, sampled text."""
    context_tokens: int = Field(256, ge=2)
    """Most tokens that a model sees at once; a longer document is read in windows that overlap."""
    stride_tokens: int = Field(128, ge=1)
    """How far the window moves over a long document: every token but the first window's has the rest as context."""
    batch_tokens: int = Field(4096, ge=1)
    """Tokens of one forward pass, padding included."""
    threads: int = Field(2, ge=1)
    """Threads of the arithmetic; part of the spec because it decides how sums are rounded."""
    ngram_order: int = Field(5, ge=2, le=6)
    """Order of the Kneser-Ney baseline: it sees one token fewer than this."""
    ngram_train_tokens: int = Field(8_000_000, ge=1000)
    """Most training tokens that the n-gram baselines count, which bounds their memory (about 150 bytes a token)."""
    completion_items: int = Field(120, ge=0)
    """Most questions of signature completion, at most one from a document."""
    completion_choices: int = Field(4, ge=2)
    """Choices of a question, the right one included; chance is one in this many."""
    sample_prompts: int = Field(4, ge=0)
    """Held-out documents that the candidate continues, and as many questions to the fine-tuned model."""
    sample_prompt_tokens: int = Field(32, ge=1)
    """Tokens of a document that are given as the prompt."""
    sample_tokens: int = Field(64, ge=1)
    """Most tokens of each continuation."""
    sample_temperature: float = Field(0.8, gt=0)
    """Temperature of the sampled continuations; each prompt is continued greedily too."""
    sample_top_p: float = Field(0.95, gt=0, le=1)
    """Probability mass of the likeliest tokens that sampled continuations draw from."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.stride_tokens >= self.context_tokens:
            raise ValueError(
                f"stride_tokens {self.stride_tokens} leaves no context in a window of context_tokens "
                f"{self.context_tokens}; make it smaller"
            )
        return self


class GateConfig(Config):
    """When a challenger becomes champion. All figures are in bits per byte, where less is better."""

    false_promotion_rate: float = Field(0.05, gt=0, le=0.05)
    """Greatest probability of promoting a model that is no better; intervals leave out this much on either side."""
    minimum_improvement: float = Field(0.0, ge=0)
    """Bits per byte that the challenger must be better by, for certain, to be promoted."""
    tolerated_loss: float = Field(0.05, ge=0)
    """Bits per byte that the challenger may be worse by in any one domain."""
    domain_tolerances: dict[str, float] = Field(default_factory=dict)
    """Tolerated loss of single domains, in bits per byte, by the domain's name."""
    domain_pages: int = Field(5, ge=2)
    """Fewest pages of a domain that is judged on its own; smaller domains are judged together."""
    power: float = Field(0.8, gt=0, lt=1)
    """Probability of a decision that the number of further hosts or pages is reckoned for."""

    @property
    def confidence(self) -> float:
        """How sure the intervals are."""
        return round(1 - 2 * self.false_promotion_rate, 6)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        negative = [domain for domain, loss in self.domain_tolerances.items() if loss < 0]
        if negative:
            raise ValueError(f"domain_tolerances.{negative[0]} is negative; give the loss that is tolerated, from 0 up")
        return self
