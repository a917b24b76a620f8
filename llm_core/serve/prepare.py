"""From a request body to a job: what both endpoints check."""

import dataclasses
import json
import secrets
import uuid
from collections.abc import Sequence
from typing import TypeVar

from llm_core.generate.errors import GenerationError
from llm_core.generate.request import Request
from llm_core.generate.sampling import Sampling
from llm_core.serve.bodies import NEUTRAL, GenerationBody
from llm_core.serve.errors import APIError
from llm_core.serve.job import Endpoint, Job, Prompt
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.service import Service

Number = TypeVar("Number", int, float)

MAX_STOPS = 4
MAX_STOP_CHARACTERS = 200
"""As much text may be held back while streaming."""
MAX_LOGPROBS = 20


def model_for(service: Service, body: GenerationBody) -> LoadedModel:
    """The model that answers a body, once nothing unsupported is asked of it.

    Raises:
        APIError: 400 for a parameter that is not supported or text that is not Unicode; 404 or 503 as the service's.
    """
    for name, value in dataclasses.asdict(body).items():
        if name in NEUTRAL and value not in (None, NEUTRAL[name]):
            raise APIError(400, f"{name}={value!r} is not supported; leave it out", param=name, code="unsupported")
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise APIError(400, f"{name} is not Unicode text: {error}", param=name) from error
    return service.model(body.model)


def make_job(
    service: Service,
    endpoint: Endpoint,
    model: LoadedModel,
    body: GenerationBody,
    prompts: Sequence[Prompt],
    max_tokens: int | None,
    default_max_tokens: int,
    logprobs: int | None,
    scores_prompt: bool = False,
) -> Job:
    """Check what both endpoints take, and make the engine's request of each prompt.

    ``logprobs`` is how many alternatives are listed with each token's log-probability; None scores no tokens.
    The first special token ends a text, whichever it is: special tokens mark where a document or a turn ends or
    begins, and never belong to what is said.

    Raises:
        APIError: 400, naming the parameter.
    """
    most = service.config.max_tokens
    count = within("max_tokens", min(default_max_tokens, most) if max_tokens is None else max_tokens, 0, most)
    check_context(prompts, count, model.context_tokens, endpoint.prompt_param)
    id_ = f"{endpoint.id_prefix}-{uuid.uuid4().hex}"
    sampling, stops = sampling_of(body), stops_of(body)
    top_scores = within(endpoint.logprobs_param, logprobs or 0, 0, MAX_LOGPROBS)
    requests = tuple(
        Request(
            id=f"{id_}/{index}",
            prompt=prompt.tokens,
            max_tokens=count,
            sampling=sampling,
            stop=stops,
            end_ids=model.vocabulary.special_ids,
            scores_prompt=scores_prompt or service.log is not None,
            scores_output=logprobs is not None,
            top_scores=top_scores,
            streams=bool(body.stream),
        )
        for index, prompt in enumerate(prompts)
    )
    includes_usage = body.stream_options is not None and body.stream_options.include_usage
    return Job(id_, endpoint, model, tuple(prompts), requests, bool(body.stream), includes_usage)


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
    except GenerationError as error:
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


def check_context(prompts: Sequence[Prompt], max_tokens: int, context_tokens: int, param: str) -> None:
    """Refuse prompts that are empty or do not fit."""
    for place, prompt in enumerate(prompts):
        where, count = f"{param}[{place}]" if len(prompts) > 1 else param, len(prompt.tokens)
        if not count:
            raise APIError(400, f"{where} has no tokens; give at least one", param=param)
        if count + max_tokens > context_tokens:
            what = (
                f"{where} has {count} tokens and {max_tokens} are asked for, more than the context of "
                f"{context_tokens} holds; shorten the prompt or ask for fewer"
            )
            raise APIError(400, what, param=param, code="context_length_exceeded")
