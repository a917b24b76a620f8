"""Follows the source: loads a new version beside the old one, and swaps when it is ready."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from llm_core.serve.config import ServeConfig
from llm_core.serve.loaded import LoadedModel, load
from llm_core.serve.source import ModelSource, ModelVersion

logger = logging.getLogger(__name__)


class Follower:
    """Polls the source on a thread of its own.

    A version that fails to load leaves the one before in place; what went wrong is in ``error`` until a load succeeds.
    """

    def __init__(self, source: ModelSource, config: ServeConfig, on_load: Callable[[LoadedModel], None]) -> None:
        self.loaded: LoadedModel | None = None
        self.error: str | None = None
        self.failures = 0
        self._source = source
        self._config = config
        self._on_load = on_load
        self._failed: ModelVersion | None = None
        self._retry_at = 0.0
        self._refreshing = threading.Lock()
        self._has_loaded = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait_until_loaded(self, timeout_s: float) -> bool:
        """Whether a model is loaded, waiting for the first at most so long."""
        return self._has_loaded.wait(timeout_s)

    def refresh(self) -> None:
        """Ask the source once, and take what it has; returns when the new version (if any) is in place."""
        with self._refreshing:
            try:
                version = self._source.current()
            except Exception as error:  # the source is the caller's code: whatever it raises, the old model serves on
                self._fail(f"the model source does not answer: {type(error).__name__}: {error}")
                return
            if self.loaded is not None and version == self.loaded.version:
                self.error = self._failed = None
                return
            if version == self._failed and time.monotonic() < self._retry_at:
                return
            try:
                loaded = load(version, self._config.device)
            except Exception as error:  # readers of damaged files raise anything; the old model serves on
                self._failed = version
                self._retry_at = time.monotonic() + self._config.retry_load_s
                self._fail(f"{version.name} version {version.version} does not load: {type(error).__name__}: {error}")
                return
            self._on_load(loaded)
            self.loaded = loaded
            self.error = self._failed = None
            self._has_loaded.set()
            logger.info("serving %s version %s", version.name, version.version)

    def _fail(self, message: str) -> None:
        self.failures += 1
        if message != self.error:
            logger.error("%s; %s", message, "the version before serves on" if self.loaded else "nothing is served yet")
        self.error = message

    def _run(self) -> None:
        self.refresh()
        while not self._is_closing.wait(self._config.poll_interval_s):
            self.refresh()
