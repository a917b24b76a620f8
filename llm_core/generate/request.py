"""What is asked of the engine, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from llm_core.generate.errors import GenerationError
from llm_core.generate.sampling import Sampling

FinishReason = Literal["stop", "length", "cancelled", "error"]


@dataclass(frozen=True)
class Request:
    """One prompt to be continued."""

    id: str
    """Name of the request, unique among those that run."""
    prompt: tuple[int, ...]
    """Token ids to continue; at least one."""
    max_tokens: int
    """Most tokens to generate; 0 only scores the prompt."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are chosen."""
    stop: tuple[str, ...] = ()
    """Strings that end the text; the one found is not part of it."""
    end_ids: frozenset[int] = frozenset()
    """Token ids that end the text and are not part of it."""
    scores_prompt: bool = False
    """Whether each prompt token gets its log-probability."""
    scores_output: bool = False
    """Whether each generated token gets its log-probability."""
    top_scores: int = 0
    """How many of the likeliest alternatives each scored token carries."""
    streams: bool = False
    """Whether pieces are delivered as they come, or all at the end."""

    def __post_init__(self) -> None:
        if not self.prompt:
            raise GenerationError(f"request {self.id}: the prompt has no tokens; give at least one")
        if self.max_tokens < 0 or self.top_scores < 0:
            raise GenerationError(f"request {self.id}: max_tokens and top_scores cannot be negative")
        if "" in self.stop:
            raise GenerationError(f"request {self.id}: an empty stop string would end every text; leave it out")


@dataclass(frozen=True)
class ScoredToken:
    """One token with what the model thought of it."""

    id: int
    """Token id."""
    logprob: float | None
    """Natural log-probability given all tokens before it; None for a prompt's first, and where not asked for."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest token ids at this place and their log-probabilities, likeliest first."""
    offset: int = 0
    """For a generated token, where in the completion's text it begins, in characters."""


@dataclass(frozen=True)
class Completion:
    """The whole answer to a request."""

    version: str
    """Version of the model that wrote it, from first token to last."""
    text: str
    """Generated text, without the stop string or end token."""
    tokens: tuple[ScoredToken, ...]
    """Generated tokens, the end token and those of the stop string included."""
    prompt: tuple[ScoredToken, ...]
    """Prompt tokens with their scores, if asked for."""
    finish_reason: FinishReason
    """Why it ended: a stop string or end token, the token limit, the caller, or an error."""
    error: str | None = None
    """What went wrong, for the reason "error"."""


@dataclass(frozen=True)
class Update:
    """News of one request: a piece of text and its tokens; the last one carries the completion."""

    text: str
    """Characters to append; whole ones, and never part of a stop string."""
    tokens: tuple[ScoredToken, ...]
    """Tokens generated since the last update."""
    prompt: tuple[ScoredToken, ...]
    """The scored prompt, in the first update only."""
    completion: Completion | None = None
    """The whole answer, in the last update only."""


class Sink(Protocol):
    """Takes the updates of one request, on the thread that steps the engine; must not block."""

    def __call__(self, update: Update, /) -> None: ...
