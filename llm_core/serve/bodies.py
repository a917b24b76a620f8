"""Request bodies, field by field."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

CLOSED: dict[str, Any] = {"extra": "forbid"}
"""How FastAPI reads these dataclasses: a field that is not declared here is refused, not passed over."""


@dataclass(frozen=True)
class StreamOptions:
    """What a stream carries besides text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    include_usage: bool = False  # whether a last chunk tells the token counts


@dataclass(frozen=True, kw_only=True)
class GenerationBody:
    """What both endpoints take; a field that is left out or null has its default."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    model: str | None = None  # name, or name@version; by default the one that is served
    max_tokens: int | None = None  # most tokens to generate
    temperature: float | None = None  # 0 for greedy, 1 (the default) for the model's own distribution
    top_p: float | None = None  # mass of the nucleus that is sampled from, 1 by default
    seed: int | None = None  # of the draws, random by default: the same request with the same seed draws the same
    stop: str | list[str] | None = None  # strings that end the text
    stream: bool | None = None  # whether the answer comes in pieces, as server-sent events
    stream_options: StreamOptions | None = None
    user: str | None = None  # the client's own name for its user; not used
    # Not supported: only values that ask for nothing (NEUTRAL) are accepted.
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]  # text, token ids, or a list of either
    echo: bool | None = None  # whether the answer begins with the prompt; with logprobs, this scores it
    logprobs: int | None = None  # alternatives to list for each token, beside the token's own log-probability
    best_of: int | None = None  # not supported, nor is the next
    suffix: str | None = None


NEUTRAL = {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}, "suffix": ""}
"""What is accepted of parameters of OpenAI's interface that are not supported: no client silently gets less."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation, in plain text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True)
class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: list[Message]
    max_completion_tokens: int | None = None  # newer name of max_tokens
    logprobs: bool | None = None  # whether the answer lists each token's log-probability
    top_logprobs: int | None = None  # likeliest alternatives to list for each token
