"""A process that may be killed: runs one function on hostile input, within hard limits."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from resources.errors import TidemillError

P = ParamSpec("P")
R = TypeVar("R")
WALL_PER_CPU = 20


class SandboxTimeoutError(TidemillError):
    """The call took more processor time than it may."""


class SandboxFailureError(TidemillError):
    """The call raised, or its process died (out of memory, a fault in native code)."""


class Sandbox(Generic[P, R]):
    """Calls a function in a process of its own, which is started again after a call that killed it.

    The limit is processor time, held by the kernel (`ITIMER_PROF`), so that it also ends native
    code, and a busy machine does not change which calls end in time. `function`, arguments and
    result must be picklable. A wall-clock limit 20 times as long is there in case the process
    waits for something.

    ```python
    with Sandbox(read_page, cpu_s=20, memory_mb=2048) as read:
        page = read(payload)
    ```
    """

    def __init__(self, function: Callable[P, R], *, cpu_s: float, memory_mb: int):
        self.function, self.cpu_s, self.memory_mb = function, cpu_s, memory_mb
        # forkserver: the caller may hold threads and open files, which a fork would copy.
        self._context = multiprocessing.get_context("forkserver")
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Sandbox[P, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, if it runs; a later call starts another."""
        self._stop()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result.

        Raises:
            SandboxTimeoutError: if it takes longer than it may.
            SandboxFailureError: if it raises or its process dies.
        """
        connection = self._start()
        try:
            connection.send((args, kwargs))
            if not connection.poll(self.cpu_s * WALL_PER_CPU):
                self._stop()
                raise SandboxTimeoutError(
                    f"the call was still running after {self.cpu_s * WALL_PER_CPU:g} s; it was killed"
                )
            result, failure = connection.recv()
        except (EOFError, OSError) as error:
            code = self._stop()
            if code == -signal.SIGPROF:
                raise SandboxTimeoutError(f"the call took more than {self.cpu_s:g} s of processor time") from error
            raise SandboxFailureError(f"the process of the call died with exit code {code}") from error
        if failure is not None:
            raise SandboxFailureError(failure)
        return result  # type: ignore[no-any-return]

    def _start(self) -> Connection:
        if self._connection is None:
            self._connection, theirs = self._context.Pipe()
            self._process = self._context.Process(
                target=_serve, args=(theirs, self.function, self.cpu_s, self.memory_mb), daemon=True
            )
            self._process.start()
            theirs.close()
        return self._connection

    def _stop(self) -> int | None:
        """End the process; its exit code where it had ended by itself."""
        if self._process is None or self._connection is None:
            return None
        self._connection.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process = self._connection = None
        return code


def _serve(connection: Connection, function: Callable[P, R], cpu_s: float, memory_mb: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            args, kwargs = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer: tuple[R | None, str | None]
        try:
            answer = function(*args, **kwargs), None
        except Exception as error:  # whatever a page provokes is that page's failure, named by the caller
            answer = None, f"{type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(answer)
