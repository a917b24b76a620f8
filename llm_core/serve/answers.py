"""How a job is answered: at once as JSON, or in pieces as server-sent events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from llm_core.generate.request import Completion, Update
from llm_core.serve.errors import APIError
from llm_core.serve.job import Job
from llm_core.serve.service import Service

logger = logging.getLogger(__name__)

Choice = dict[str, Any]


def envelope(job: Job, kind: str, **fields: Any) -> dict[str, Any]:
    """The fields that every response and every chunk has; the model's version is named beside OpenAI's own fields."""
    version = job.model.version
    return {
        "id": job.id,
        "object": kind,
        "created": int(job.time_s),
        "model": version.name,
        "model_version": version.version,
        "system_fingerprint": version.fingerprint,
        **fields,
    }


def usage(job: Job, completion_tokens: int) -> dict[str, int]:
    prompt_tokens = sum(len(prompt.tokens) for prompt in job.prompts)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


async def answer_whole(
    service: Service, http: Request, job: Job, kind: str, choice: Callable[[int, Completion], Choice]
) -> Response:
    """Run a job and answer with all its choices; a client that leaves ends it."""
    work = asyncio.ensure_future(service.completions(job))
    left = asyncio.ensure_future(_disconnected(http))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=499)  # nobody reads it; it is how the request is counted
        completions = work.result()
    finally:
        work.cancel()
        left.cancel()
    choices = [choice(index, completion) for index, completion in enumerate(completions)]
    tokens = sum(len(completion.tokens) for completion in completions)
    return JSONResponse(
        envelope(job, kind, choices=choices, usage=usage(job, tokens)), headers={"x-request-id": job.id}
    )


async def answer_stream(
    service: Service, job: Job, kind: str, pieces: Callable[[int, Update, bool], Iterator[Choice]]
) -> Response:
    """Run a job and answer with its pieces as they come; refusals are still answered as plain errors.

    ``pieces`` makes the choices of an update; its last argument says whether it is the prompt's first.
    """
    updates = service.updates(job)
    first = await anext(updates)
    _raise_failure(first[1])

    async def events() -> AsyncIterator[str]:
        started: set[int] = set()
        tokens = 0
        try:
            async for index, update in _chain(first, updates):
                _raise_failure(update)
                tokens += len(update.tokens)
                for choice in pieces(index, update, index not in started):
                    yield _event(envelope(job, kind, choices=[choice]))
                started.add(index)
            if job.options.includes_usage:
                yield _event(envelope(job, kind, choices=[], usage=usage(job, tokens)))
            yield "data: [DONE]\n\n"
        except APIError as error:  # too late for a status: the last event says it
            yield _event(error.body)
        finally:
            await updates.aclose()

    service.metrics.first_token_s.labels(job.endpoint).observe(job.latency_s)
    headers = {"x-request-id": job.id, "cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def _raise_failure(update: Update) -> None:
    if update.completion is not None and update.completion.finish_reason == "error":
        raise APIError(500, f"the model failed on this request: {update.completion.error}")


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False, allow_nan=False)}\n\n"


async def _chain(
    first: tuple[int, Update], rest: AsyncIterator[tuple[int, Update]]
) -> AsyncIterator[tuple[int, Update]]:
    yield first
    async for item in rest:
        yield item


async def _disconnected(http: Request) -> None:
    """Return when the client has left; the body has been read, so nothing else can come."""
    while (await http.receive())["type"] != "http.disconnect":
        pass
