"""What is asked of the engine, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from llm_core.errors import LLMCoreError
from llm_core.generate.sampling import Sampling

FinishReason = Literal["stop", "length", "cancelled", "error"]


class GenerationError(LLMCoreError):
    """A request, a model or a tokenizer that text cannot be generated with; the message says which, and the mend."""


@dataclass(frozen=True)
class Request:
    """One prompt to be continued; one that is empty raises a GenerationError."""

    id: str  # unique among those that run
    prompt: tuple[int, ...]  # token ids, at least one
    max_tokens: int  # most tokens to generate; 0 only scores the prompt
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # strings that end the text; the one found is not part of it
    end_ids: frozenset[int] = frozenset()  # token ids that end the text and are not part of it
    scores_prompt: bool = False  # each prompt token gets its log-probability
    logprobs: int | None = None  # generated tokens are scored; scored tokens carry so many likeliest alternatives
    streams: bool = False  # pieces are delivered as they come, not all at the end

    def __post_init__(self) -> None:
        if not self.prompt:
            raise GenerationError(f"request {self.id}: the prompt has no tokens; give at least one")


@dataclass(frozen=True)
class ScoredToken:
    """One token with what the model thought of it."""

    id: int
    logprob: float | None  # natural, given all tokens before it; None for a prompt's first, and where not scored
    top: tuple[tuple[int, float], ...] = ()  # the likeliest ids at this place with theirs, likeliest first
    offset: int = 0  # where a generated token begins in the completion's text, in characters


@dataclass(frozen=True)
class Completion:
    """The whole answer to a request."""

    text: str  # without the stop string or end token
    tokens: tuple[ScoredToken, ...]  # the generated ones, the end token and those of the stop string included
    prompt: tuple[ScoredToken, ...]  # the prompt's, if they were to be scored
    finish_reason: FinishReason
    error: str | None = None  # what went wrong, for the reason "error"


@dataclass(frozen=True)
class Update:
    """News of one request: a piece of text and its tokens; the last one carries the completion."""

    text: str  # whole characters to append, never part of a stop string
    tokens: tuple[ScoredToken, ...]  # generated since the last update
    prompt: tuple[ScoredToken, ...]  # the scored prompt, in the first update only
    completion: Completion | None = None  # in the last update only

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.completion.finish_reason if self.completion else None


Sink = Callable[[Update], None]
"""Takes the updates of one request, on the thread that steps the engine; must not block."""
