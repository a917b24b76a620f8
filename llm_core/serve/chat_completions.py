"""POST /v1/chat/completions."""

import asyncio
from collections.abc import Iterator
from functools import partial

from fastapi import FastAPI, Request, Response

from llm_core.generate.request import Update
from llm_core.serve.answers import Choice, answer
from llm_core.serve.bodies import ChatBody
from llm_core.serve.chat_template import ChatError
from llm_core.serve.errors import APIError
from llm_core.serve.job import Endpoint, Job, Prompt
from llm_core.serve.logprobs import chat_logprobs
from llm_core.serve.prepare import make_job, model_for
from llm_core.serve.service import Service

CHAT = Endpoint(
    "/v1/chat/completions", "chat.completion", "chat.completion.chunk", "chatcmpl", "messages", "top_logprobs"
)
DEFAULT_MAX_TOKENS = 256
"""Unless the context has less left."""


def add_chat(app: FastAPI, service: Service) -> None:
    """Answer at this path, by ``service``."""

    @app.post(CHAT.path, response_model=None)
    async def chat(body: ChatBody, http: Request) -> Response:
        """Write the assistant's next turn."""
        job = await asyncio.to_thread(prepare, service, body)
        return await answer(service, http, job, partial(write_pieces if body.stream else write_turn, job, body))


def prepare(service: Service, body: ChatBody) -> Job:
    """Check a body, write its conversation as text, and tokenize it; not on the event loop.

    Raises:
        APIError: 4xx for what is asked wrongly, 503 while there is no model.
    """
    model = model_for(service, body)
    if body.top_logprobs and not body.logprobs:
        raise APIError(400, "top_logprobs needs logprobs=true", param="top_logprobs")
    try:
        text = model.chat.render(body.messages)
    except ChatError as error:
        raise APIError(400, str(error), param="messages") from error
    prompt = Prompt(text, model.encode(text, is_templated=True))
    return make_job(
        service,
        CHAT,
        model,
        body,
        [prompt],
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        default_max_tokens=max(1, min(DEFAULT_MAX_TOKENS, model.context_tokens - len(prompt.tokens))),
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )


def write_turn(job: Job, body: ChatBody, index: int, update: Update, _: bool) -> Iterator[Choice]:
    """The whole turn."""
    message = {"role": "assistant", "content": update.text}
    logprobs = chat_logprobs(job.model.vocabulary, update.tokens) if body.logprobs else None
    yield {"index": index, "message": message, "logprobs": logprobs, "finish_reason": update.finish_reason}


def write_pieces(job: Job, body: ChatBody, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
    """An update's part of the turn: who speaks, what is said, and why it ended, each in its own chunk."""
    empty: Choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": None}
    if is_first:
        yield {**empty, "delta": {"role": "assistant", "content": ""}}
    if update.text or update.tokens:
        logprobs = chat_logprobs(job.model.vocabulary, update.tokens) if body.logprobs else None
        yield {**empty, "delta": {"content": update.text}, "logprobs": logprobs}
    if update.completion is not None:
        yield {**empty, "finish_reason": update.finish_reason}
