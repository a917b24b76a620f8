"""Request bodies, field by field, and what of them is refused."""

from __future__ import annotations

import dataclasses
import json
import secrets
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from llm_core.generate.errors import GenerationError
from llm_core.generate.sampling import Sampling
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError

CLOSED: dict[str, Any] = {"extra": "forbid"}
"""How FastAPI reads these dataclasses: a field that is not declared here is refused, not passed over."""


@dataclass(frozen=True)
class StreamOptions:
    """What a stream carries besides text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    include_usage: bool = False
    """Whether a last chunk tells the token counts."""


@dataclass(frozen=True, kw_only=True)
class GenerationBody:
    """What both endpoints take. The last group is of OpenAI's interface but not supported: only values that ask for
    nothing are accepted, so that no client is silently given something else."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    model: str | None = None
    """Name of the model, or name@version; left out, the one that is served."""
    max_tokens: int | None = None
    """Most tokens to generate."""
    temperature: float | None = None
    """0 for greedy, 1 (the default) for the model's own distribution."""
    top_p: float | None = None
    """Mass of the nucleus that is sampled from, 1 by default."""
    seed: int | None = None
    """Seed of the draws; the same request with the same seed draws the same. A random one by default."""
    stop: str | list[str] | None = None
    """Strings that end the text."""
    stream: bool | None = None
    """Whether the answer comes in pieces, as server-sent events."""
    stream_options: StreamOptions | None = None
    """Options of the stream."""
    user: str | None = None
    """The client's own name for its user; not used."""
    n: int | None = None
    """Not supported: one choice for each prompt."""
    presence_penalty: float | None = None
    """Not supported."""
    frequency_penalty: float | None = None
    """Not supported."""
    logit_bias: dict[str, float] | None = None
    """Not supported."""


@dataclass(frozen=True, kw_only=True)
class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]
    """Text, token ids, or a list of either."""
    echo: bool | None = None
    """Whether the answer begins with the prompt; with logprobs, this scores it."""
    logprobs: int | None = None
    """Likeliest alternatives to list for each token, beside the token's own log-probability."""
    best_of: int | None = None
    """Not supported."""
    suffix: str | None = None
    """Not supported."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said; plain text."""


@dataclass(frozen=True, kw_only=True)
class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: list[Message]
    """The conversation so far."""
    max_completion_tokens: int | None = None
    """Newer name of max_tokens."""
    logprobs: bool | None = None
    """Whether the answer lists each token's log-probability."""
    top_logprobs: int | None = None
    """Likeliest alternatives to list for each token."""


def refuse_unsupported(body: GenerationBody) -> None:
    """Refuse parameters that would change the answer if they were supported, and text that is not Unicode.

    Raises:
        APIError: 400, naming the parameter.
    """
    for name, value in dataclasses.asdict(body).items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise APIError(400, f"{name} is not Unicode text: {error}", param=name) from error
    neutral: dict[str, tuple[object, ...]] = {
        "n": (None, 1),
        "best_of": (None, 1),
        "presence_penalty": (None, 0),
        "frequency_penalty": (None, 0),
        "logit_bias": (None, {}),
        "suffix": (None, ""),
    }
    for name, accepted in neutral.items():
        value = getattr(body, name, None)
        if value not in accepted:
            raise APIError(400, f"{name}={value!r} is not supported; leave it out", param=name, code="unsupported")


def sampling_of(body: GenerationBody) -> Sampling:
    """How tokens are to be chosen.

    Raises:
        APIError: 400 if a value is out of range.
    """
    if body.temperature is not None and not 0.0 <= body.temperature <= 2.0:
        raise APIError(400, f"temperature is {body.temperature}: give a number from 0 to 2", param="temperature")
    try:
        return Sampling(
            temperature=1.0 if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            seed=secrets.randbits(63) if body.seed is None else body.seed,
        )
    except GenerationError as error:
        raise APIError(400, str(error), param="top_p") from error


def stops_of(body: GenerationBody, config: ServeConfig) -> tuple[str, ...]:
    """The stop strings.

    Raises:
        APIError: 400 if there are too many, or one is empty or too long.
    """
    stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    if len(stops) > config.max_stops:
        raise APIError(400, f"stop has {len(stops)} strings, more than {config.max_stops}", param="stop")
    for stop in stops:
        if not 1 <= len(stop) <= config.max_stop_characters:
            raise APIError(
                400,
                f"stop has a string of {len(stop)} characters; each must have 1 to {config.max_stop_characters}",
                param="stop",
            )
    return stops


def max_tokens_of(asked: int | None, default: int, config: ServeConfig) -> int:
    """Most tokens to generate.

    Raises:
        APIError: 400 if it is negative or beyond the server's limit.
    """
    value = min(default, config.max_tokens) if asked is None else asked
    if not 0 <= value <= config.max_tokens:
        raise APIError(400, f"max_tokens is {value}: give a number from 0 to {config.max_tokens}", param="max_tokens")
    return value


def top_scores_of(asked: int | None, config: ServeConfig, param: str) -> int:
    """How many alternatives each scored token lists.

    Raises:
        APIError: 400 if it is negative or beyond the server's limit.
    """
    value = asked or 0
    if not 0 <= value <= config.max_logprobs:
        raise APIError(400, f"{param} is {value}: give a number from 0 to {config.max_logprobs}", param=param)
    return value
