"""A request on its way through the server: prompts, their engine requests, and what became of them."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_core.generate.request import Completion, Request
from llm_core.generate.sampling import Sampling
from llm_core.serve.errors import APIError
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.record import RequestRecord


@dataclass(frozen=True)
class Prompt:
    """A prompt as text and as the model's tokens."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What the endpoints have in common, checked."""

    sampling: Sampling
    """How tokens are chosen."""
    stops: tuple[str, ...]
    """Strings that end the text."""
    max_tokens: int
    """Most tokens to generate."""
    scores_prompt: bool
    """Whether prompt tokens are scored."""
    scores_output: bool
    """Whether generated tokens are scored."""
    top_scores: int
    """Alternatives of each scored token."""
    streams: bool
    """Whether the answer comes in pieces."""
    includes_usage: bool
    """Whether a stream ends with the token counts."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One HTTP request, bound to the model version that it was tokenized for."""

    endpoint: str
    """Path of the request."""
    model: LoadedModel
    """The version that answers, whatever is loaded meanwhile."""
    prompts: tuple[Prompt, ...]
    """What is to be continued."""
    options: JobOptions
    """How."""
    id: str
    """Request id: the response's id, and the record's."""
    time_s: float = field(default_factory=time.time)
    """When it came, in seconds since 1970."""
    started: float = field(default_factory=time.perf_counter)
    """The same on the clock that measures latency."""

    @property
    def latency_s(self) -> float:
        return time.perf_counter() - self.started

    def requests(self) -> list[Request]:
        """The engine's requests, one a prompt.

        The first special token ends a text, whichever it is: special tokens mark where a document or a turn ends
        or begins, and never belong to what is said.
        """
        options = self.options
        return [
            Request(
                id=f"{self.id}/{index}",
                prompt=prompt.tokens,
                max_tokens=options.max_tokens,
                sampling=options.sampling,
                stop=options.stops,
                end_ids=self.model.engine_model.vocabulary.special_ids,
                scores_prompt=options.scores_prompt,
                scores_output=options.scores_output,
                top_scores=options.top_scores,
                streams=options.streams,
            )
            for index, prompt in enumerate(self.prompts)
        ]

    def record(self, index: int, completion: Completion) -> RequestRecord:
        """What the log is told about one prompt."""
        prompt, version = self.prompts[index], self.model.version
        scores = [token.logprob for token in completion.prompt if token.logprob is not None]
        return RequestRecord(
            id=self.id,
            index=index,
            time_s=self.time_s,
            model_name=version.name,
            model_version=version.version,
            fingerprint=version.fingerprint,
            endpoint=self.endpoint,
            prompt=prompt.text,
            completion=completion.text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(completion.tokens),
            prompt_logprob=statistics.fmean(scores) if scores else None,
            finish_reason=completion.finish_reason,
            status={"error": 500, "cancelled": 499}.get(completion.finish_reason, 200),
            latency_s=self.latency_s,
        )


def new_id(prefix: str) -> str:
    """A fresh request id, such as cmpl-…; unique among all servers."""
    return f"{prefix}-{uuid.uuid4().hex}"


def check_context(prompts: Sequence[Prompt], max_tokens: int, context_tokens: int, param: str) -> None:
    """Refuse prompts that are empty or do not fit.

    Raises:
        APIError: 400.
    """
    for place, prompt in enumerate(prompts):
        where = f"{param}[{place}]" if len(prompts) > 1 else param
        if not prompt.tokens:
            raise APIError(400, f"{where} has no tokens; give at least one", param=param)
        if len(prompt.tokens) + max_tokens > context_tokens:
            raise APIError(
                400,
                f"{where} has {len(prompt.tokens)} tokens and {max_tokens} are asked for, more than the context of "
                f"{context_tokens} holds; shorten the prompt or ask for fewer",
                param=param,
                code="context_length_exceeded",
            )
