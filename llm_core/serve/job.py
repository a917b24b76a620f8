"""A request on its way through the server: prompts, their engine requests, and what became of them."""

import statistics
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from llm_core.generate.request import Completion, Request
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.record import RequestRecord


class Prompt(NamedTuple):
    """A prompt as text and as the model's tokens."""

    text: str
    tokens: tuple[int, ...]


class Endpoint(NamedTuple):
    """What tells an endpoint's answers from the other's."""

    path: str
    kind: str  # OpenAI's name of an answer
    chunk_kind: str  # and of a stream's chunk
    id_prefix: str
    prompt_param: str  # the parameter that holds what is to be continued
    logprobs_param: str  # the parameter that says how many alternatives are listed


@dataclass(frozen=True)
class Job:
    """One HTTP request, bound to the model version that it was tokenized for, whatever is loaded meanwhile."""

    id: str  # the response's id, and the record's
    endpoint: Endpoint
    model: LoadedModel
    prompts: tuple[Prompt, ...]
    requests: tuple[Request, ...]  # the engine's, one a prompt
    streams: bool  # whether the answer comes in pieces
    includes_usage: bool  # whether a stream ends with the token counts
    time_s: float = field(default_factory=time.time)  # when it came, in seconds since 1970
    started_s: float = field(default_factory=time.perf_counter)  # the same on the clock that measures latency

    @property
    def latency_s(self) -> float:
        return time.perf_counter() - self.started_s

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
            endpoint=self.endpoint.path,
            prompt=prompt.text,
            completion=completion.text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(completion.tokens),
            prompt_logprob=statistics.fmean(scores) if scores else None,
            finish_reason=completion.finish_reason,
            status={"error": 500, "cancelled": 499}.get(completion.finish_reason, 200),
            latency_s=self.latency_s,
        )
