"""Follows the source: loads a new version beside the old one, and swaps when it is ready."""

import logging
import threading
from collections.abc import Callable

from llm_core.serve.config import ServeConfig
from llm_core.serve.loaded import LoadedModel, load
from llm_core.serve.source import ModelSource

logger = logging.getLogger(__name__)


class Follower:
    """Polls the source on a thread of its own.

    A version that fails to load leaves the one before in place; what went wrong is in ``error`` until a load succeeds.
    """

    def __init__(self, source: ModelSource, config: ServeConfig, on_load: Callable[[LoadedModel], None]) -> None:
        self.loaded: LoadedModel | None = None
        self.error: str | None = None
        self.failures = 0
        self._source, self._config, self._on_load = source, config, on_load
        self._refreshing = threading.Lock()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Ask the source once, and take what it has; returns when the new version (if any) is in place."""
        with self._refreshing:
            what = "the model source does not answer"
            try:
                version = self._source.current()
                if self.loaded is None or version != self.loaded.version:
                    what = f"{version.name} version {version.version} does not load"
                    loaded = load(version, self._config.device)
                    self._on_load(loaded)
                    self.loaded = loaded
                    logger.info("serving %s version %s", version.name, version.version)
                self.error = None
            except Exception as error:  # the source is the caller's code, and readers of damaged files raise anything
                self._fail(f"{what}: {type(error).__name__}: {error}")

    def _fail(self, message: str) -> None:
        self.failures += 1
        if message != self.error:
            logger.error("%s; %s", message, "the version before serves on" if self.loaded else "nothing is served yet")
        self.error = message

    def _run(self) -> None:
        self.refresh()
        while not self._is_closing.wait(self._config.poll_interval_s):
            self.refresh()
