"""SIGTERM as a request: the step is finished, a checkpoint written, and the run leaves."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from llm_core.errors import LLMCoreError

EXIT_CODE = 128 + signal.SIGTERM
"""Exit status of a run that was asked to stop and can go on later."""


class TrainingInterruptedError(LLMCoreError):
    """The run was asked to stop; its newest checkpoint holds everything."""


class StopRequest:
    """Whether SIGTERM has come."""

    is_set = False


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Listen for SIGTERM while a run lasts. Outside the main thread, where signals cannot be had, it hears nothing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def hear(number: int, frame: FrameType | None) -> None:
        request.is_set = True

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(training: Callable[[], None]) -> int:
    """Run a training: 0 when finished, 143 when SIGTERM stopped it (start again to go on), 2 on errors of its own."""
    try:
        training()
    except LLMCoreError as error:
        is_stop = isinstance(error, TrainingInterruptedError)
        sys.stderr.write(f"{error}\n" if is_stop else f"{type(error).__name__}: {error}\n")
        return EXIT_CODE if is_stop else 2
    return 0
