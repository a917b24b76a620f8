"""A process that may be killed: runs calls on hostile input, within hard limits."""

import multiprocessing
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar

from resources.errors import TidemillError

P = ParamSpec("P")
R = TypeVar("R")
WALL_PER_CPU = 20


class SandboxError(TidemillError):
    """The call raised, took more time than it may (`is_timeout`), or its process died."""

    def __init__(self, message: str, *, is_timeout: bool = False):
        super().__init__(message)
        self.is_timeout = is_timeout


class Sandbox:
    """Calls functions in a process of its own, which is started again after a call that killed it.

    The limit is processor time, held by the kernel (`ITIMER_PROF`), so that it also ends native
    code, and a busy machine does not change which calls end in time. A wall-clock limit 20 times as
    long is there in case the process waits for something. What is passed must be picklable.
    """

    def __init__(self, *, cpu_s: float, memory_mb: int):
        self.cpu_s, self.memory_mb = cpu_s, memory_mb
        self._running: tuple[BaseProcess, Connection] | None = None

    def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result.

        Raises:
            SandboxError: if it raises, takes longer than it may, or its process dies.
        """
        process, connection = self._start()
        try:
            connection.send((function, args, kwargs))
            if not connection.poll(self.cpu_s * WALL_PER_CPU):
                self.close()
                wall_s = self.cpu_s * WALL_PER_CPU
                raise SandboxError(f"the call was still running after {wall_s:g} s; it was killed", is_timeout=True)
            result, failure = connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            if process.exitcode == -signal.SIGPROF:
                message = f"the call took more than {self.cpu_s:g} s of processor time"
                raise SandboxError(message, is_timeout=True) from error
            raise SandboxError(f"the process of the call died with exit code {process.exitcode}") from error
        if failure is not None:
            raise SandboxError(failure)
        return result  # type: ignore[no-any-return]

    def _start(self) -> tuple[BaseProcess, Connection]:
        if self._running is None:
            context = multiprocessing.get_context("forkserver")  # the caller may hold threads and open files
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self.cpu_s, self.memory_mb), daemon=True)
            process.start()
            theirs.close()
            self._running = process, ours
        return self._running

    def close(self) -> None:
        """End the process, if it runs; a later call starts another."""
        if self._running is not None:
            process, connection = self._running
            self._running = None
            connection.close()
            process.join(timeout=1)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(connection: Connection, cpu_s: float, memory_mb: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            function, args, kwargs = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer: tuple[Any, str | None]
        try:
            answer = function(*args, **kwargs), None
        except Exception as error:  # whatever a page provokes is that page's failure, named by the caller
            answer = None, f"{type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(answer)
