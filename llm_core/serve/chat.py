"""POST /v1/chat/completions: its body, prompt and answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_core.generate.request import ScoredToken, Update
from llm_core.serve.chat_template import ChatError, Message
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.job import Choice, GenerationBody, Job, Prompt
from llm_core.serve.models import LoadedModel

DEFAULT_MAX_TOKENS = 256
"""Unless the context has less left."""


@dataclass(frozen=True, kw_only=True)
class ChatBody(GenerationBody):
    """A conversation whose next turn is the assistant's."""

    messages: list[Message]
    max_completion_tokens: int | None = None  # newer name of max_tokens
    logprobs: bool | None = None  # whether the answer lists each token's log-probability
    top_logprobs: int | None = None  # likeliest alternatives to list for each token


class ChatJob(Job):
    """The assistant's next turn."""

    path = "/v1/chat/completions"
    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"
    id_prefix = "chatcmpl"
    prompt_param = "messages"
    logprobs_param = "top_logprobs"

    def __init__(self, body: ChatBody, model: LoadedModel, limits: ServeConfig, is_logged: bool) -> None:
        if body.top_logprobs and not body.logprobs:
            raise APIError(400, "top_logprobs needs logprobs=true", param="top_logprobs")
        try:
            text = model.chat.render(body.messages)
        except ChatError as error:
            raise APIError(400, str(error), param="messages") from error
        prompt = Prompt(text, model.encode(text, is_templated=True))
        max_tokens = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
        if max_tokens is None:
            room = max(1, model.engine.context_tokens - len(prompt.tokens))
            max_tokens = min(DEFAULT_MAX_TOKENS, limits.max_tokens, room)
        self._has_logprobs = bool(body.logprobs)
        top = (body.top_logprobs or 0) if body.logprobs else None
        super().__init__(body, model, limits, [prompt], max_tokens, top, scores_prompt=is_logged)

    def choices(self, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
        """The whole turn; of a stream who speaks, what is said, and why it ended, each in its own chunk."""
        logprobs = self._logprobs(update.tokens) if self._has_logprobs else None
        if not self.streams:
            message = {"role": "assistant", "content": update.text}
            yield {"index": index, "message": message, "logprobs": logprobs, "finish_reason": update.finish_reason}
            return
        empty: Choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": None}
        if is_first:
            yield {**empty, "delta": {"role": "assistant", "content": ""}}
        if update.text or update.tokens:
            yield {**empty, "delta": {"content": update.text}, "logprobs": logprobs}
        if update.completion is not None:
            yield {**empty, "finish_reason": update.finish_reason}

    def _logprobs(self, tokens: tuple[ScoredToken, ...]) -> dict[str, Any]:
        """OpenAI's ``logprobs`` of a turn."""
        vocabulary = self.model.vocabulary

        def entry(id_: int, logprob: float | None) -> dict[str, Any]:
            return {"token": vocabulary.label(id_), "logprob": logprob, "bytes": list(vocabulary.of(id_))}

        return {
            "content": [
                {**entry(token.id, token.logprob), "top_logprobs": [entry(*top) for top in token.top]}
                for token in tokens
            ]
        }
