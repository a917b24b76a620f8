"""POST /v1/completions."""

import asyncio
from collections.abc import Iterator
from functools import partial

from fastapi import FastAPI, Request, Response

from llm_core.generate.request import Update
from llm_core.serve.answers import Choice, answer
from llm_core.serve.bodies import CompletionBody
from llm_core.serve.errors import APIError
from llm_core.serve.job import Endpoint, Job, Prompt
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.logprobs import completion_logprobs, decode, text_offsets
from llm_core.serve.prepare import make_job, model_for
from llm_core.serve.service import Service

COMPLETIONS = Endpoint("/v1/completions", "text_completion", "text_completion", "cmpl", "prompt", "logprobs")
DEFAULT_MAX_TOKENS = 16
"""OpenAI's."""


def add_completions(app: FastAPI, service: Service) -> None:
    """Answer at this path, by ``service``."""

    @app.post(COMPLETIONS.path, response_model=None)
    async def complete(body: CompletionBody, http: Request) -> Response:
        """Continue one prompt or several."""
        job = await asyncio.to_thread(prepare, service, body)
        return await answer(service, http, job, partial(write_choice, job, body))


def prepare(service: Service, body: CompletionBody) -> Job:
    """Check a body and tokenize its prompts; not on the event loop.

    Raises:
        APIError: 4xx for what is asked wrongly, 503 while there is no model.
    """
    model = model_for(service, body)
    prompts = prompts_of(body, model, service.config.max_prompts)
    return make_job(
        service,
        COMPLETIONS,
        model,
        body,
        prompts,
        max_tokens=body.max_tokens,
        default_max_tokens=DEFAULT_MAX_TOKENS,
        logprobs=body.logprobs,
        scores_prompt=bool(body.echo) and body.logprobs is not None,
    )


def prompts_of(body: CompletionBody, model: LoadedModel, most: int) -> list[Prompt]:
    """The prompts as text and tokens, whichever they were given as.

    Raises:
        APIError: 400 if there is none, too many, or a token id that the model has not.
    """
    given = body.prompt
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]  # type: ignore[assignment]
    if not 1 <= len(given) <= most:
        raise APIError(400, f"prompt has {len(given)} prompts; give 1 to {most}", param="prompt")
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
        prompts.append(Prompt(decode(model.vocabulary, tokens), tokens))
    return prompts


def write_choice(job: Job, body: CompletionBody, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
    """The choice of an update, whole or a piece; a prompt's first one echoes it."""
    prompt, vocabulary, echoes = job.prompts[index], job.model.vocabulary, bool(body.echo) and is_first
    logprobs = None
    if body.logprobs is not None:
        shift = len(prompt.text) if body.echo else 0
        tokens, offsets = update.tokens, [shift + token.offset for token in update.tokens]
        if echoes:
            tokens, offsets = (*update.prompt, *tokens), [*text_offsets(vocabulary, prompt.tokens), *offsets]
        logprobs = completion_logprobs(vocabulary, tokens, offsets)
    text = prompt.text + update.text if echoes else update.text
    yield {"index": index, "text": text, "logprobs": logprobs, "finish_reason": update.finish_reason}
