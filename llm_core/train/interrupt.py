"""SIGTERM as a request: the step is finished, a checkpoint written, and the run leaves."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from llm_core.errors import LLMCoreError

EXIT_CODE = 128 + signal.SIGTERM
"""Exit status of a run that was asked to stop and can go on later."""


class TrainingInterruptedError(LLMCoreError):
    """The run was asked to stop; its newest checkpoint holds everything."""


class StopRequest:
    """Listen for SIGTERM while a run lasts. Outside the main thread, where signals cannot be had, it hears nothing."""

    def __init__(self) -> None:
        self.is_set = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True
