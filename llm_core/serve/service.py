"""Between HTTP and the engine: admits jobs, carries their updates to the event loop, keeps the accounts."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from functools import partial

from llm_core.generate.engine import Engine
from llm_core.generate.engine_thread import EngineThread
from llm_core.generate.lane import EngineConfig
from llm_core.generate.request import Completion, Update
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.follower import Follower
from llm_core.serve.job import Job
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.metrics import Metrics
from llm_core.serve.record import LogWriter, RequestLog
from llm_core.serve.source import ModelSource


class Service:
    """One server's engine, model and accounts. Its coroutines belong to one event loop, which never computes."""

    def __init__(self, source: ModelSource, config: ServeConfig, log: RequestLog | None) -> None:
        engine = Engine(config=EngineConfig(slots=config.slots, step_tokens=config.step_tokens))
        self.config = config
        self.engine = EngineThread(engine, threads=config.threads)
        self.follower = Follower(source, config, on_load=lambda model: self.engine.swap(model.engine_model))
        self.metrics = Metrics(engine.stats, self.follower)
        self.log = None if log is None else LogWriter(log, on_failure=self.metrics.log_failures.inc)
        self.is_draining = False
        self.open_jobs = 0
        self._admitted = 0

    def start(self) -> None:
        self.engine.start()
        self.follower.start()

    def close(self) -> None:
        """Finish what runs, write what is to be logged, and end the threads; blocks."""
        self.follower.close()
        self.engine.close()
        if self.log is not None:
            self.log.close()

    def drain(self) -> None:
        """Take no new jobs; those that run go on."""
        self.is_draining = True

    @property
    def is_ready(self) -> bool:
        """Whether requests would be taken now, the queue's length apart."""
        return self.follower.loaded is not None and not self.is_draining and self.engine.is_alive

    def model(self, name: str | None) -> LoadedModel:
        """The model that answers a request which names ``name``.

        Raises:
            APIError: 503 while none is loaded or the server stops; 404 if it is another's name.
        """
        loaded = self.follower.loaded
        if loaded is None or not self.is_ready:
            why = "is stopping" if self.is_draining else "has no model loaded yet; /health says why"
            raise APIError(503, f"the server {why}; try again", retry_after_s=self.config.retry_after_s)
        version = loaded.version
        if name not in (None, version.name, f"{version.name}@{version.version}"):
            what = f"the model {name!r} is not served here; ask for {version.name!r}"
            raise APIError(404, what, param="model", code="model_not_found")
        return loaded

    async def updates(self, job: Job) -> AsyncGenerator[tuple[int, Update], None]:
        """Run a job; yields (prompt number, update) until each prompt's completion has come.

        The record of a prompt is in the log before its completion is yielded. A caller that stops early (its client
        left) cancels what still runs.

        Raises:
            APIError: 429 if the queue is full, 503 if the server stops, 500 if the engine failed on a prompt.
        """
        self._admit(job)
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[int, Update, Future[None] | None]] = asyncio.Queue()

        def deliver(index: int, update: Update) -> None:  # on the engine's thread
            written = self._account(job, index, update.completion) if update.completion else None
            if not loop.is_closed():
                loop.call_soon_threadsafe(arrived.put_nowait, (index, update, written))

        unfinished = set(range(len(job.requests)))
        try:
            for index, request in enumerate(job.requests):
                self.engine.submit(request, partial(deliver, index), job.model.engine_model)
            while unfinished:
                index, update, written = await arrived.get()
                if update.completion is not None:
                    unfinished.remove(index)
                    self._admitted -= 1
                    if written is not None:
                        await asyncio.shield(asyncio.wrap_future(written))  # written, even if the client leaves now
                    if update.completion.finish_reason == "error":
                        raise APIError(500, f"the model failed on this request: {update.completion.error}")
                yield index, update
        finally:
            self._admitted -= len(unfinished)
            self.open_jobs -= 1
            for index in unfinished:
                self.engine.cancel(job.requests[index].id)

    def _admit(self, job: Job) -> None:
        wait_s, most = self.config.retry_after_s, self.config.slots + self.config.max_queue
        if not self.is_ready:
            raise APIError(503, "the server is stopping; try again", retry_after_s=wait_s)
        if self._admitted + len(job.requests) > most:
            what = f"{self._admitted} completions run or wait and at most {most} may; try again in {wait_s} s"
            raise APIError(429, what, code="queue_full", retry_after_s=wait_s)
        self._admitted += len(job.requests)
        self.open_jobs += 1

    def _account(self, job: Job, index: int, completion: Completion) -> Future[None] | None:
        self.metrics.latency_s.labels(job.endpoint.path).observe(job.latency_s)
        return None if self.log is None else self.log.write(job.record(index, completion))
