"""Engines on a thread of its own, so that whoever asks never computes."""

import logging
import queue
import threading
from collections.abc import Callable

import torch

from llm_core.generate.engine import Engine
from llm_core.generate.request import Completion, GenerationError, Request, Sink, Update

logger = logging.getLogger(__name__)


class EngineThread:
    """Steps the engines that have work, and takes orders between steps; every method may be called from any thread.

    A request goes to the engine that its tokens were made for: while a new model version takes over, two engines run
    side by side until the old one has no work and is let go. Sinks are called on this thread and must not block.
    """

    def __init__(self, threads: int = 0) -> None:
        """``threads``: torch's threads for the computation (0 leaves torch's own choice)."""
        self.busy: list[Engine] = []  # only this thread sets it, anew after each step
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

    def submit(self, engine: Engine, request: Request, sink: Sink) -> None:
        """Queue a request; a refusal comes as a completion that ended by error."""

        def order() -> None:
            try:
                engine.submit(request, sink)
            except GenerationError as error:  # it ends this request only
                logger.warning("request %s was not taken: %s", request.id, error)
                sink(Update("", (), (), Completion("", (), (), "error", str(error))))
            else:
                if engine not in self.busy:
                    self.busy.append(engine)

        self._orders.put(order)

    def cancel(self, engine: Engine, request_id: str) -> None:
        self._orders.put(lambda: engine.cancel(request_id))

    def close(self) -> None:
        """Finish what runs and waits, then end the thread."""
        self._orders.put(self._closing.set)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        if self._threads:
            torch.set_num_threads(self._threads)
        while self.busy or not self._closing.is_set():
            if not self.busy:
                self._orders.get()()
            while not self._orders.empty():
                self._orders.get()()
            self._step()

    def _step(self) -> None:
        for engine in self.busy:
            engine.step()
        self.busy = [engine for engine in self.busy if engine.is_busy]
