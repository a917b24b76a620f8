"""How a job is answered: at once as JSON, or in pieces as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from llm_core.generate.request import Update
from llm_core.serve.errors import APIError
from llm_core.serve.job import Job
from llm_core.serve.service import Service


async def answer(service: Service, http: Request, job: Job) -> Response:
    """Run a job and answer it; a client that leaves ends it.

    Raises:
        APIError: as the service's ``updates``, until a stream has begun.
    """
    return await (_answer_stream(service, job) if job.streams else _answer_whole(service, http, job))


async def _answer_whole(service: Service, http: Request, job: Job) -> Response:
    work = asyncio.ensure_future(_collect(service, job))
    left = asyncio.ensure_future(_disconnected(http))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=499)  # nobody reads it; it is how the request is counted
        updates = work.result()
    finally:
        work.cancel()
        left.cancel()
    choices = [choice for index, update in updates for choice in job.choices(index, update, True)]
    tokens = sum(len(update.tokens) for _, update in updates)
    return JSONResponse(_envelope(job, choices=choices, usage=_usage(job, tokens)))


async def _answer_stream(service: Service, job: Job) -> Response:
    updates = service.updates(job)
    first = await anext(updates)  # what is refused is still answered as a plain error

    async def events() -> AsyncIterator[str]:
        begun: set[int] = set()
        tokens = 0
        item: tuple[int, Update] | None = first
        try:
            while item is not None:
                index, update = item
                tokens += len(update.tokens)
                for choice in job.choices(index, update, index not in begun):
                    yield _event(_envelope(job, choices=[choice]))
                begun.add(index)
                item = await anext(updates, None)
            if job.includes_usage:
                yield _event(_envelope(job, choices=[], usage=_usage(job, tokens)))
            yield "data: [DONE]\n\n"
        except APIError as error:  # too late for a status: the last event says it
            yield _event(error.body)
        finally:
            await updates.aclose()

    service.metrics.first_token_s.labels(job.path).observe(job.latency_s)
    return StreamingResponse(events(), media_type="text/event-stream")


def _envelope(job: Job, **fields: Any) -> dict[str, Any]:
    """The fields that every response and every chunk has; the model's version is named beside OpenAI's own fields."""
    version = job.model.version
    return {
        "id": job.id,
        "object": job.chunk_kind if job.streams else job.kind,
        "created": int(job.time_s),
        "model": version.name,
        "model_version": version.version,
        "system_fingerprint": version.fingerprint,
        **fields,
    }


def _usage(job: Job, completion_tokens: int) -> dict[str, int]:
    prompt_tokens = sum(len(prompt.tokens) for prompt in job.prompts)
    total_tokens = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total_tokens}


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False, allow_nan=False)}\n\n"


async def _collect(service: Service, job: Job) -> list[tuple[int, Update]]:
    """The one update of each prompt, in their order."""
    return sorted([item async for item in service.updates(job)], key=lambda item: item[0])


async def _disconnected(http: Request) -> None:
    """Return when the client has left; the body has been read, so nothing else can come."""
    while (await http.receive())["type"] != "http.disconnect":
        pass
