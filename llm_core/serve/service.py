"""Between HTTP and the engine: makes and admits jobs, carries their updates to the event loop, keeps the accounts."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from llm_core.generate.engine import EngineStats
from llm_core.generate.engine_thread import EngineThread
from llm_core.generate.request import Update
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.job import GenerationBody, Job
from llm_core.serve.metrics import Metrics
from llm_core.serve.models import Follower, LoadedModel, ModelSource, load
from llm_core.serve.record import RequestLog, RequestRecord

logger = logging.getLogger(__name__)

Body = TypeVar("Body", bound=GenerationBody)


class Service:
    """One server's engines, model and accounts. Its coroutines belong to one event loop, which never computes."""

    def __init__(self, source: ModelSource, config: ServeConfig, log: RequestLog | None) -> None:
        stats = EngineStats()
        self.config = config
        self.engines = EngineThread(config.threads)
        self.follower = Follower(source, partial(load, config=config, stats=stats), config.poll_interval_s)
        self.metrics = Metrics(stats, self.engines, self.follower)
        self.is_draining = False
        self.unfinished = 0  # completions that run or wait
        self._log = log
        self._log_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request-log")

    def start(self) -> None:
        self.engines.start()
        self.follower.start()

    def close(self) -> None:
        """Finish what runs, write what is to be logged, and end the threads; blocks."""
        self.follower.close()
        self.engines.close()
        self._log_thread.shutdown(wait=True)

    @property
    def is_ready(self) -> bool:
        """Whether requests would be taken now, the queue's length apart."""
        return self.follower.loaded is not None and not self.is_draining and self.engines.is_alive

    def job(self, kind: Callable[[Body, LoadedModel, ServeConfig, bool], Job], body: Body) -> Job:
        """Check a body and tokenize it for the model that is loaded now; not on the event loop.

        Raises:
            APIError: 400 for what is asked wrongly, 404 if the model is another, 503 while there is none or the server
                stops.
        """
        body.check()
        loaded = self.follower.loaded
        if loaded is None or not self.is_ready:
            why = "is stopping" if self.is_draining else "has no model loaded yet; /health says why"
            raise APIError(503, f"the server {why}; try again")
        version = loaded.version
        if body.model not in (None, version.name, f"{version.name}@{version.version}"):
            what = f"the model {body.model!r} is not served here; ask for {version.name!r}"
            raise APIError(404, what, param="model", code="model_not_found")
        return kind(body, loaded, self.config, self._log is not None)

    async def updates(self, job: Job) -> AsyncGenerator[tuple[int, Update], None]:
        """Run a job; yields (prompt number, update) until each prompt's completion has come.

        The record of a prompt is in the log before its completion is yielded. A caller that stops early (its client
        left) cancels what still runs.

        Raises:
            APIError: 429 if the queue is full, 503 if the server stops, 500 if the engine failed on a prompt.
        """
        most = self.config.slots + self.config.max_queue
        if not self.is_ready:
            raise APIError(503, "the server is stopping; try again")
        if self.unfinished + len(job.requests) > most:
            what = f"{self.unfinished} completions run or wait and at most {most} may; try again"
            raise APIError(429, what, code="queue_full")
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[int, Update, Future[None] | None]] = asyncio.Queue()

        def deliver(index: int, update: Update) -> None:  # on the engine's thread
            written = None
            if update.completion:
                self.metrics.latency_s.labels(job.path).observe(job.latency_s)
                if self._log is not None:
                    written = self._log_thread.submit(self._write, self._log, job.record(index, update.completion))
            if not loop.is_closed():
                loop.call_soon_threadsafe(arrived.put_nowait, (index, update, written))

        unfinished = set(range(len(job.requests)))
        self.unfinished += len(unfinished)
        try:
            for index, request in enumerate(job.requests):
                self.engines.submit(job.model.engine, request, partial(deliver, index))
            while unfinished:
                index, update, written = await arrived.get()
                if update.completion is not None:
                    unfinished.remove(index)
                    self.unfinished -= 1
                    if written is not None:
                        await asyncio.shield(asyncio.wrap_future(written))  # written, even if the client leaves now
                    if update.completion.finish_reason == "error":
                        raise APIError(500, f"the model failed on this request: {update.completion.error}")
                yield index, update
        finally:
            self.unfinished -= len(unfinished)
            for index in unfinished:
                self.engines.cancel(job.model.engine, job.requests[index].id)

    def _write(self, log: RequestLog, record: RequestRecord) -> None:
        try:
            log(record)
        except Exception:  # the log is the caller's code: whatever it raises, the answer has been given
            logger.exception("the request log did not take the record of %s", record.id)
            self.metrics.log_failures.inc()
