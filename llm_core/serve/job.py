"""A generation request on its way through the server: what both endpoints take, check, ask the engine and record."""

import dataclasses
import json
import secrets
import statistics
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from llm_core.errors import ConfigError
from llm_core.generate.request import Completion, Request, Update
from llm_core.generate.sampling import Sampling
from llm_core.serve.chat_template import CLOSED
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.models import LoadedModel
from llm_core.serve.record import RequestRecord

Choice = dict[str, Any]
Number = TypeVar("Number", int, float)

MAX_STOPS = 4
MAX_STOP_CHARACTERS = 200
"""As much text may be held back while streaming."""
MAX_LOGPROBS = 20
NEUTRAL = {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}, "suffix": ""}
"""What is accepted of parameters of OpenAI's interface that are not supported: no client silently gets less."""


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
    stream_options: dict[Literal["include_usage"], bool] | None = None  # whether a last chunk tells the token counts
    user: str | None = None  # the client's own name for its user; not used
    # Not supported: only values that ask for nothing (NEUTRAL) are accepted.
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    def check(self) -> None:
        """Refuse, with a 400, a parameter that is not supported, or text that is not Unicode."""
        for name, value in dataclasses.asdict(self).items():
            if name in NEUTRAL and value not in (None, NEUTRAL[name]):
                raise APIError(400, f"{name}={value!r} is not supported; leave it out", param=name, code="unsupported")
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise APIError(400, f"{name} is not Unicode text: {error}", param=name) from error


class Prompt(NamedTuple):
    """A prompt as text and as the model's tokens."""

    text: str
    tokens: tuple[int, ...]


class Job(ABC):
    """One HTTP request, bound to the model version that it is tokenized for, whatever is loaded meanwhile.

    An endpoint's subclass makes the prompts of its body, not on the event loop, and writes the answer's choices.
    The first special token ends a text, whichever it is: special tokens mark where a document or a turn ends or
    begins, and never belong to what is said.

    Raises:
        APIError: 400 for what is asked wrongly, naming the parameter.
    """

    path: ClassVar[str]
    kind: ClassVar[str]  # OpenAI's name of an answer
    chunk_kind: ClassVar[str]  # and of a stream's chunk
    id_prefix: ClassVar[str]
    prompt_param: ClassVar[str]  # the parameter that holds what is to be continued
    logprobs_param: ClassVar[str]  # the parameter that says how many alternatives are listed

    def __init__(
        self,
        body: GenerationBody,
        model: LoadedModel,
        limits: ServeConfig,
        prompts: Sequence[Prompt],
        max_tokens: int,
        logprobs: int | None,
        scores_prompt: bool,
    ) -> None:
        """``logprobs``: how many alternatives are listed with each token's log-probability; None scores none."""
        self.time_s = time.time()  # when it came, in seconds since 1970
        self._started_s = time.perf_counter()  # the same on the clock that measures latency
        self.id = f"{self.id_prefix}-{uuid.uuid4().hex}"  # the response's, and the record's
        self.model, self.prompts = model, prompts
        self.streams = bool(body.stream)
        self.includes_usage = (body.stream_options or {}).get("include_usage", False)
        within("max_tokens", max_tokens, 0, limits.max_tokens)
        within(self.logprobs_param, logprobs or 0, 0, MAX_LOGPROBS)
        self._check_context(max_tokens)
        sampling, stops = sampling_of(body), stops_of(body)
        self.requests = [  # the engine's, one a prompt
            Request(
                id=f"{self.id}/{index}",
                prompt=prompt.tokens,
                max_tokens=max_tokens,
                sampling=sampling,
                stop=stops,
                end_ids=model.vocabulary.special_ids,
                scores_prompt=scores_prompt,
                logprobs=logprobs,
                streams=self.streams,
            )
            for index, prompt in enumerate(prompts)
        ]

    @abstractmethod
    def choices(self, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
        """The choices that an update of a prompt, by its index, adds to the answer; ``is_first`` of its updates."""

    @property
    def latency_s(self) -> float:
        return time.perf_counter() - self._started_s

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
            endpoint=self.path,
            prompt=prompt.text,
            completion=completion.text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(completion.tokens),
            prompt_logprob=statistics.fmean(scores) if scores else None,
            finish_reason=completion.finish_reason,
            status={"error": 500, "cancelled": 499}.get(completion.finish_reason, 200),
            latency_s=self.latency_s,
        )

    def _check_context(self, max_tokens: int) -> None:
        param, room = self.prompt_param, self.model.engine.context_tokens
        for place, prompt in enumerate(self.prompts):
            where, count = f"{param}[{place}]" if len(self.prompts) > 1 else param, len(prompt.tokens)
            if not count:
                raise APIError(400, f"{where} has no tokens; give at least one", param=param)
            if count + max_tokens > room:
                what = (
                    f"{where} has {count} tokens and {max_tokens} are asked for, more than the context of {room} holds"
                )
                mend = "shorten the prompt or ask for fewer"
                raise APIError(400, f"{what}; {mend}", param=param, code="context_length_exceeded")


def within(param: str, value: Number, low: int, high: int) -> Number:
    """The value, unless it is out of range, which is answered 400."""
    if not low <= value <= high:
        raise APIError(400, f"{param} is {value}: give a number from {low} to {high}", param=param)
    return value


def sampling_of(body: GenerationBody) -> Sampling:
    """How tokens are to be chosen."""
    temperature = 1.0 if body.temperature is None else within("temperature", body.temperature, 0, 2)
    seed = secrets.randbits(63) if body.seed is None else body.seed
    try:
        return Sampling(temperature, 1.0 if body.top_p is None else body.top_p, seed)
    except ConfigError as error:
        raise APIError(400, str(error), param="top_p") from error


def stops_of(body: GenerationBody) -> tuple[str, ...]:
    """The stop strings."""
    stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    if len(stops) > MAX_STOPS:
        raise APIError(400, f"stop has {len(stops)} strings, more than {MAX_STOPS}", param="stop")
    for length in map(len, stops):
        if not 1 <= length <= MAX_STOP_CHARACTERS:
            what = f"stop has a string of {length} characters; each must have 1 to {MAX_STOP_CHARACTERS}"
            raise APIError(400, what, param="stop")
    return stops
