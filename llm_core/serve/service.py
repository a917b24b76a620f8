"""Between HTTP and the engine: admits jobs, carries their updates to the event loop, keeps the accounts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from dataclasses import dataclass

from llm_core.generate.engine import Engine
from llm_core.generate.engine_thread import EngineThread
from llm_core.generate.lane import EngineConfig, context_tokens
from llm_core.generate.request import Completion, ScoredToken, Sink, Update
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import APIError
from llm_core.serve.follower import Follower
from llm_core.serve.job import Job
from llm_core.serve.loaded import LoadedModel
from llm_core.serve.metrics import Metrics
from llm_core.serve.record import LogWriter, RequestLog
from llm_core.serve.source import ModelSource

logger = logging.getLogger(__name__)


@dataclass
class _Partial:
    """What a client has been sent of a completion that has not ended."""

    text: str = ""
    tokens: tuple[ScoredToken, ...] = ()
    prompt: tuple[ScoredToken, ...] = ()

    def add(self, update: Update) -> None:
        self.text += update.text
        self.tokens += update.tokens
        self.prompt += update.prompt

    def completion(self, version: str) -> Completion:
        return Completion(version, self.text, self.tokens, self.prompt, "cancelled")


class Service:
    """One server's engine, model and accounts. Its coroutines belong to one event loop, which never computes."""

    def __init__(self, source: ModelSource, config: ServeConfig, log: RequestLog | None) -> None:
        engine = Engine(
            config=EngineConfig(
                slots=config.slots, context_tokens=config.context_tokens, step_tokens=config.step_tokens
            )
        )
        self.config = config
        self.metrics = Metrics()
        self.engine = EngineThread(engine, threads=config.threads)
        self.follower = Follower(source, config, on_load=lambda model: self.engine.swap(model.engine_model))
        self.is_draining = False
        self.open_jobs = 0
        self._admitted = 0
        self._log = None if log is None else LogWriter(log, on_failure=self.metrics.log_failures.inc)
        self.metrics.watch(engine.stats, self.follower)

    def start(self) -> None:
        self.engine.start()
        self.follower.start()

    def close(self) -> None:
        """Finish what runs, write what is to be logged, and end the threads; blocks."""
        self.follower.close()
        self.engine.close()
        if self._log is not None:
            self._log.close()

    def drain(self) -> None:
        """Take no new jobs; those that run go on."""
        self.is_draining = True

    @property
    def is_ready(self) -> bool:
        """Whether requests would be taken now, the queue's length apart."""
        return self.follower.loaded is not None and not self.is_draining and self.engine.is_alive

    @property
    def logs(self) -> bool:
        """Whether answers are logged, so that prompts are to be scored."""
        return self._log is not None

    def model(self, name: str | None) -> LoadedModel:
        """The model that answers a request which names ``name``.

        Raises:
            APIError: 503 while none is loaded or the server stops; 404 if it is another's name.
        """
        loaded = self.follower.loaded
        if loaded is None or not self.is_ready:
            why = "is stopping" if self.is_draining else "has no model loaded yet; /health says why"
            raise APIError(503, f"the server {why}; try again", retry_after_s=self.config.retry_after_s)
        names = (loaded.version.name, f"{loaded.version.name}@{loaded.version.version}")
        if name is not None and name not in names:
            raise APIError(
                404,
                f"the model {name!r} is not served here; ask for {names[0]!r}",
                param="model",
                code="model_not_found",
            )
        return loaded

    def context_tokens(self, model: LoadedModel) -> int:
        """Most tokens of prompt and completion together."""
        return context_tokens(model.engine_model.transformer, self.engine.engine.config)

    async def updates(self, job: Job) -> AsyncGenerator[tuple[int, Update], None]:
        """Run a job; yields (prompt number, update) until each prompt's completion has come.

        The record of a prompt is in the log before its completion is yielded. A caller that stops early (its client
        left) cancels what still runs.

        Raises:
            APIError: 429 if the queue is full, 503 if the server stops.
        """
        self._admit(job)
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[int, Update]] = asyncio.Queue()

        def sink_of(index: int) -> Sink:
            def sink(update: Update, /) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(arrived.put_nowait, (index, update))

            return sink

        requests = job.requests()
        unfinished = {index: _Partial() for index in range(len(requests))}
        try:
            for index, request in enumerate(requests):
                self.engine.submit(request, sink_of(index), job.model.engine_model)
            while unfinished:
                index, update = await arrived.get()
                if update.completion is None:
                    unfinished[index].add(update)
                else:
                    del unfinished[index]
                    self._admitted -= 1
                    written = self._account(job, index, update.completion)
                    if written is not None:
                        await asyncio.wrap_future(written)
                yield index, update
        finally:
            self._admitted -= len(unfinished)
            self.open_jobs -= 1
            for index, partial in unfinished.items():
                self.engine.cancel(requests[index].id)
                self._account(job, index, partial.completion(job.model.version.version))

    async def completions(self, job: Job) -> list[Completion]:
        """Run a job to its end; one completion a prompt.

        Raises:
            APIError: 429 or 503 as for ``updates``; 500 if the engine failed on it.
        """
        done: dict[int, Completion] = {}
        async for index, update in self.updates(job):
            if update.completion is not None:
                done[index] = update.completion
        for completion in done.values():
            if completion.finish_reason == "error":
                raise APIError(500, f"the model failed on this request: {completion.error}")
        return [done[index] for index in range(len(job.prompts))]

    def _admit(self, job: Job) -> None:
        config = self.config
        if not self.is_ready:
            raise APIError(503, "the server is stopping; try again", retry_after_s=config.retry_after_s)
        if self._admitted + len(job.prompts) > config.slots + config.max_queue:
            raise APIError(
                429,
                f"{self._admitted} completions run or wait and at most {config.slots + config.max_queue} may; "
                f"try again in {config.retry_after_s} s",
                code="queue_full",
                retry_after_s=config.retry_after_s,
            )
        self._admitted += len(job.prompts)
        self.open_jobs += 1

    def _account(self, job: Job, index: int, completion: Completion) -> Future[None] | None:
        self.metrics.latency_s.labels(job.endpoint).observe(job.latency_s)
        return None if self._log is None else self._log.write(job.record(index, completion))
