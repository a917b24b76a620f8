"""The engine on a thread of its own, so that whoever asks never computes."""

import logging
import queue
import threading
from collections.abc import Callable

import torch

from llm_core.generate.engine import Engine
from llm_core.generate.lane import EngineModel
from llm_core.generate.request import Completion, Request, Sink, Update

logger = logging.getLogger(__name__)


class EngineThread:
    """Steps an engine while it has work, and takes orders between steps; every method may be called from any thread.

    Sinks are called on this thread and must not block. An order that fails tells its request's sink, never the
    thread: the engine goes on for the others.
    """

    def __init__(self, engine: Engine, threads: int = 0) -> None:
        """``threads``: torch's threads for the computation (0 leaves torch's own choice)."""
        self.engine = engine
        self._threads = threads
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; a server whose engine is dead is not healthy."""
        return self._thread.is_alive()

    def submit(self, request: Request, sink: Sink, model: EngineModel | None = None) -> None:
        """Queue a request; a refusal comes as a completion that ended by error."""

        def order() -> None:
            try:
                self.engine.submit(request, sink, model)
            except Exception as error:  # a refusal, or no memory for the version's cache: it ends this request only
                logger.warning("request %s was not taken: %s", request.id, error)
                version = model.version if model else ""
                sink(Update("", (), (), Completion(version, "", (), (), "error", str(error))))

        self._orders.put(order)

    def cancel(self, request_id: str) -> None:
        self._orders.put(lambda: self.engine.cancel(request_id))

    def swap(self, model: EngineModel) -> None:
        self._orders.put(lambda: self.engine.swap(model))

    def close(self) -> None:
        """Finish what runs and waits, then end the thread."""
        self._orders.put(self._closing.set)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        if self._threads:
            torch.set_num_threads(self._threads)
        while not (self._closing.is_set() and not self.engine.is_busy):
            if not self.engine.is_busy:
                self._orders.get()()
            while not self._orders.empty():
                self._orders.get()()
            if self.engine.is_busy:
                self.engine.step()
