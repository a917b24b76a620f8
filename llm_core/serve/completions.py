"""POST /v1/completions: its body, prompts and answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from llm_core.generate.request import ScoredToken, Update
from llm_core.generate.text_stream import TextStream
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.job import Choice, GenerationBody, Job, Prompt
from llm_core.serve.models import LoadedModel

DEFAULT_MAX_TOKENS = 16
"""OpenAI's."""


@dataclass(frozen=True, kw_only=True)
class CompletionBody(GenerationBody):
    """One prompt to continue, or several."""

    prompt: str | list[str] | list[int] | list[list[int]]  # text, token ids, or a list of either
    echo: bool | None = None  # whether the answer begins with the prompt; with logprobs, this scores it
    logprobs: int | None = None  # alternatives to list for each token, beside the token's own log-probability
    best_of: int | None = None  # not supported, nor is the next
    suffix: str | None = None


class CompletionJob(Job):
    """Texts continued."""

    path = "/v1/completions"
    kind = chunk_kind = "text_completion"
    id_prefix = "cmpl"
    prompt_param = "prompt"
    logprobs_param = "logprobs"

    def __init__(self, body: CompletionBody, model: LoadedModel, limits: ServeConfig, is_logged: bool) -> None:
        self._body = body
        super().__init__(
            body,
            model,
            limits,
            prompts_of(body, model, limits.max_prompts),
            max_tokens=min(DEFAULT_MAX_TOKENS, limits.max_tokens) if body.max_tokens is None else body.max_tokens,
            logprobs=body.logprobs,
            scores_prompt=is_logged or (bool(body.echo) and body.logprobs is not None),
        )

    def choices(self, index: int, update: Update, is_first: bool) -> Iterator[Choice]:
        """The choice, whole or a piece; a prompt's first one echoes it."""
        prompt, echoes = self.prompts[index], bool(self._body.echo) and is_first
        logprobs = None
        if self._body.logprobs is not None:
            shift = len(prompt.text) if self._body.echo else 0
            tokens, offsets = update.tokens, [shift + token.offset for token in update.tokens]
            if echoes:
                stream = TextStream(self.model.vocabulary)
                begins = accumulate((len(stream.push(token)) for token in prompt.tokens[:-1]), initial=0)
                tokens, offsets = (*update.prompt, *tokens), [*begins, *offsets]
            logprobs = self._logprobs(tokens, offsets)
        text = prompt.text + update.text if echoes else update.text
        yield {"index": index, "text": text, "logprobs": logprobs, "finish_reason": update.finish_reason}

    def _logprobs(self, tokens: tuple[ScoredToken, ...], offsets: list[int]) -> dict[str, Any]:
        """OpenAI's ``logprobs`` of a text; a prompt's first token has none.

        The alternatives always contain the token itself, so a token is the likeliest exactly if none of them is higher
        (lm-eval's test of greedy answers).
        """
        label = self.model.vocabulary.label

        def alternatives(token: ScoredToken) -> dict[str, float] | None:
            if token.logprob is None:
                return None
            return {label(id_): value for id_, value in (*token.top, (token.id, token.logprob))}

        return {
            "tokens": [label(token.id) for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [alternatives(token) for token in tokens],
            "text_offset": offsets,
        }


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
    size = model.engine.transformer.config.vocab_size
    prompts = []
    for item in given:
        if isinstance(item, str):
            prompts.append(Prompt(item, model.encode(item)))
            continue
        tokens: tuple[int, ...] = tuple(item)  # type: ignore[arg-type]
        unknown = next((token for token in tokens if not 0 <= token < size), None)
        if unknown is not None:
            raise APIError(400, f"prompt has the token id {unknown}; ids go from 0 to {size - 1}", param="prompt")
        prompts.append(Prompt(model.vocabulary.decode(tokens), tokens))
    return prompts
