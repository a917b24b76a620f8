"""What the server tells of each answer; the caller decides what of it is kept."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

logger = logging.getLogger(__name__)


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


class LogWriter:
    """Hands records to the log in order, off the event loop; a log that fails never fails a request."""

    def __init__(self, log: RequestLog, on_failure: Callable[[], None]) -> None:
        self._log, self._on_failure = log, on_failure
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
