"""What the server tells of each answer; the caller decides what of it is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequestRecord:
    """One prompt and what became of it. A request with several prompts leaves one record for each."""

    id: str
    """Request id: the id of the response, ``cmpl-…`` or ``chatcmpl-…``."""
    index: int
    """Which prompt of the request, from 0."""
    time_s: float
    """When the request came, in seconds since 1970."""
    model_name: str
    """Model that answered."""
    model_version: str
    """Version of the model that answered."""
    fingerprint: str
    """Identity of that version's content."""
    endpoint: str
    """Path of the request: /v1/completions or /v1/chat/completions."""
    prompt: str
    """Text that the model was given; for a conversation, as its template wrote it."""
    completion: str
    """Text that the model wrote."""
    prompt_tokens: int
    """Tokens of the prompt."""
    completion_tokens: int
    """Tokens generated."""
    prompt_logprob: float | None
    """Mean natural log-probability of the prompt's tokens after its first; None where it has but one."""
    finish_reason: str
    """Why it ended: stop, length, cancelled or error."""
    status: int
    """HTTP status of the answer: 200, 500 after an error, 499 where the client left."""
    latency_s: float
    """From the request's arrival to its last token, in seconds."""


class RequestLog(Protocol):
    """Takes each record, on a thread of its own, one at a time; may write to disk."""

    def __call__(self, record: RequestRecord, /) -> None: ...


class LogWriter:
    """Hands records to the log in order, off the event loop; a log that fails never fails a request."""

    def __init__(self, log: RequestLog, on_failure: Callable[[], None]) -> None:
        self._log = log
        self._on_failure = on_failure
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request-log")

    def write(self, record: RequestRecord) -> Future[None]:
        """Queue a record; the future is done once the log has it."""
        return self._thread.submit(self._write, record)

    def close(self) -> None:
        """Wait until all records are written."""
        self._thread.shutdown(wait=True)

    def _write(self, record: RequestRecord) -> None:
        try:
            self._log(record)
        except Exception:  # the log is the caller's code: whatever it raises, the answer has been given
            logger.exception("the request log did not take the record of %s", record.id)
            self._on_failure()
