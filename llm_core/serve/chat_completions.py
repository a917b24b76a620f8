"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response

from llm_core.generate.request import Completion, ScoredToken, Update
from llm_core.serve.answers import Choice, answer_stream, answer_whole
from llm_core.serve.bodies import ChatBody, max_tokens_of, refuse_unsupported, sampling_of, stops_of, top_scores_of
from llm_core.serve.chat_template import ChatError
from llm_core.serve.errors import APIError
from llm_core.serve.job import Job, JobOptions, Prompt, check_context, new_id
from llm_core.serve.logprobs import chat_logprobs
from llm_core.serve.service import Service

ENDPOINT = "/v1/chat/completions"
KIND = "chat.completion"


def chat_routes(service: Service) -> APIRouter:
    """The endpoint over ``service``."""
    router = APIRouter()

    @router.post(ENDPOINT, response_model=None)
    async def chat(body: ChatBody, http: Request) -> Response:
        """Write the assistant's next turn."""
        job = await asyncio.to_thread(prepare, service, body)
        turn = AssistantTurn(job, shows_logprobs=bool(body.logprobs))
        if body.stream:
            return await answer_stream(service, job, f"{KIND}.chunk", turn.pieces)
        return await answer_whole(service, http, job, KIND, turn.choice)

    return router


def prepare(service: Service, body: ChatBody) -> Job:
    """Check a body, write its conversation as text, and tokenize it; not on the event loop.

    Raises:
        APIError: 4xx for what is asked wrongly, 503 while there is no model.
    """
    refuse_unsupported(body)
    if body.top_logprobs and not body.logprobs:
        raise APIError(400, "top_logprobs needs logprobs=true", param="top_logprobs")
    config, model = service.config, service.model(body.model)
    try:
        text = model.chat.render(body.messages)
    except ChatError as error:
        raise APIError(400, str(error), param="messages") from error
    prompt = Prompt(text, model.encode(text, is_templated=True))
    asked = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    context = service.context_tokens(model)
    # A chat that does not say how much it wants gets what the context has left.
    room = max(1, context - len(prompt.tokens))
    max_tokens = max_tokens_of(asked, min(config.default_chat_max_tokens, room), config)
    check_context([prompt], max_tokens, context, "messages")
    options = JobOptions(
        sampling=sampling_of(body),
        stops=stops_of(body, config),
        max_tokens=max_tokens,
        scores_prompt=service.logs,
        scores_output=bool(body.logprobs),
        top_scores=top_scores_of(body.top_logprobs, config, "top_logprobs"),
        streams=bool(body.stream),
        includes_usage=bool(body.stream_options and body.stream_options.include_usage),
    )
    return Job(endpoint=ENDPOINT, model=model, prompts=(prompt,), options=options, id=new_id("chatcmpl"))


class AssistantTurn:
    """Writes the choice of one job."""

    def __init__(self, job: Job, *, shows_logprobs: bool) -> None:
        self._job = job
        self._shows_logprobs = shows_logprobs

    def choice(self, index: int, completion: Completion) -> Choice:
        """The whole turn."""
        return {
            "index": index,
            "message": {"role": "assistant", "content": completion.text},
            "logprobs": self._logprobs(completion.tokens),
            "finish_reason": completion.finish_reason,
        }

    def pieces(self, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
        """An update's part of the turn: who speaks, what is said, and why it ended, each in its own chunk."""
        if is_first:
            yield self._delta(index, {"role": "assistant", "content": ""})
        if update.text or update.tokens:
            yield {**self._delta(index, {"content": update.text}), "logprobs": self._logprobs(update.tokens)}
        if update.completion is not None:
            yield {**self._delta(index, {}), "finish_reason": update.completion.finish_reason}

    def _delta(self, index: int, delta: dict[str, str]) -> Choice:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def _logprobs(self, tokens: tuple[ScoredToken, ...]) -> Choice | None:
        return chat_logprobs(self._job.model.engine_model.vocabulary, tokens) if self._shows_logprobs else None
