"""POST /v1/completions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response

from llm_core.generate.request import Completion, ScoredToken, Update
from llm_core.serve.answers import Choice, answer_stream, answer_whole
from llm_core.serve.bodies import (
    CompletionBody,
    max_tokens_of,
    refuse_unsupported,
    sampling_of,
    stops_of,
    top_scores_of,
)
from llm_core.serve.errors import APIError
from llm_core.serve.job import Job, JobOptions, Prompt, check_context, new_id
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.logprobs import completion_logprobs, decode, text_offsets
from llm_core.serve.service import Service

ENDPOINT = "/v1/completions"
KIND = "text_completion"


def completion_routes(service: Service) -> APIRouter:
    """The endpoint over ``service``."""
    router = APIRouter()

    @router.post(ENDPOINT, response_model=None)
    async def complete(body: CompletionBody, http: Request) -> Response:
        """Continue one prompt or several."""
        job = await asyncio.to_thread(prepare, service, body)
        text = CompletionText(job, echoes=bool(body.echo), shows_logprobs=body.logprobs is not None)
        if body.stream:
            return await answer_stream(service, job, KIND, text.pieces)
        return await answer_whole(service, http, job, KIND, text.choice)

    return router


def prepare(service: Service, body: CompletionBody) -> Job:
    """Check a body and tokenize its prompts; not on the event loop.

    Raises:
        APIError: 4xx for what is asked wrongly, 503 while there is no model.
    """
    refuse_unsupported(body)
    config, model = service.config, service.model(body.model)
    prompts = prompts_of(body, model, config.max_prompts)
    max_tokens = max_tokens_of(body.max_tokens, config.default_max_tokens, config)
    check_context(prompts, max_tokens, service.context_tokens(model), "prompt")
    options = JobOptions(
        sampling=sampling_of(body),
        stops=stops_of(body, config),
        max_tokens=max_tokens,
        scores_prompt=service.logs or (bool(body.echo) and body.logprobs is not None),
        scores_output=body.logprobs is not None,
        top_scores=top_scores_of(body.logprobs, config, "logprobs"),
        streams=bool(body.stream),
        includes_usage=bool(body.stream_options and body.stream_options.include_usage),
    )
    return Job(endpoint=ENDPOINT, model=model, prompts=prompts, options=options, id=new_id("cmpl"))


def prompts_of(body: CompletionBody, model: LoadedModel, most: int) -> tuple[Prompt, ...]:
    """The prompts as text and tokens, whichever they were given as.

    Raises:
        APIError: 400 if there is none, too many, or a token id that the model has not.
    """
    given = body.prompt
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]  # type: ignore[assignment]
    if not 1 <= len(given) <= most:
        raise APIError(400, f"prompt has {len(given)} prompts; give 1 to {most}", param="prompt")
    vocabulary = model.engine_model.vocabulary
    size = model.engine_model.transformer.config.vocab_size
    prompts = []
    for item in given:
        if isinstance(item, str):
            prompts.append(Prompt(item, model.encode(item)))
            continue
        tokens: tuple[int, ...] = tuple(item)  # type: ignore[arg-type]
        unknown = next((token for token in tokens if not 0 <= token < size), None)
        if unknown is not None:
            raise APIError(400, f"prompt has the token id {unknown}; ids go from 0 to {size - 1}", param="prompt")
        prompts.append(Prompt(decode(vocabulary, tokens), tokens))
    return tuple(prompts)


class CompletionText:
    """Writes the choices of one job."""

    def __init__(self, job: Job, *, echoes: bool, shows_logprobs: bool) -> None:
        self._job = job
        self._echoes = echoes
        self._shows_logprobs = shows_logprobs

    def choice(self, index: int, completion: Completion) -> Choice:
        """A whole choice."""
        return self._write(index, completion.text, completion.tokens, completion.prompt, completion, is_first=True)

    def pieces(self, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
        """The choice of one update; the first one echoes."""
        yield self._write(index, update.text, update.tokens, update.prompt, update.completion, is_first=is_first)

    def _write(
        self,
        index: int,
        text: str,
        tokens: tuple[ScoredToken, ...],
        scored_prompt: tuple[ScoredToken, ...],
        completion: Completion | None,
        *,
        is_first: bool,
    ) -> Choice:
        prompt, vocabulary = self._job.prompts[index], self._job.model.engine_model.vocabulary
        echo = prompt.text if self._echoes and is_first else ""
        logprobs = None
        if self._shows_logprobs:
            shift = len(prompt.text) if self._echoes else 0
            offsets = [shift + token.offset for token in tokens]
            if self._echoes and is_first:
                tokens = (*scored_prompt, *tokens)
                offsets = text_offsets(vocabulary, prompt.tokens) + offsets
            logprobs = completion_logprobs(vocabulary, tokens, offsets)
        return {
            "index": index,
            "text": echo + text,
            "logprobs": logprobs,
            "finish_reason": completion.finish_reason if completion else None,
        }
