"""What the server tells of each answer; the caller decides what of it is kept."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestRecord:
    """One prompt and what became of it. A request with several prompts leaves one record for each."""

    id: str  # the id of the response, cmpl-… or chatcmpl-…
    index: int  # which prompt of the request, from 0
    time_s: float  # when the request came, in seconds since 1970
    model_name: str
    model_version: str
    fingerprint: str  # identity of that version's content
    endpoint: str  # path of the request: /v1/completions or /v1/chat/completions
    prompt: str  # text that the model was given; for a conversation, as its template wrote it
    completion: str  # text that the model wrote
    prompt_tokens: int
    completion_tokens: int
    prompt_logprob: float | None  # mean natural log-probability of the prompt's tokens after its first, if it has more
    finish_reason: str  # stop, length, cancelled or error
    status: int  # HTTP status of the answer: 200, 500 after an error, 499 where the client left
    latency_s: float  # from the request's arrival to its last token


RequestLog = Callable[[RequestRecord], None]
"""Takes each record, on a thread of its own, one at a time; may write to disk."""
