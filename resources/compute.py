"""The machines that compute: document tasks over local processes."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache

from resources.build import Build, Progress
from resources.errors import BuildError
from resources.lifeline import exit_with_pool


def run_tasks(build: Build, label: str, tasks: int, task: Callable[[int], None], *, unit: str = "shards") -> None:
    """Run `task(0) … task(tasks - 1)` over the build's workers; each writes files of its own.

    Tasks must be picklable and independent; what they write may depend on their number only,
    so that the bytes are the same for any number of workers. A task that raises stops the build
    with its error, once the tasks under way have ended (none writes after the build let go of its
    lease); files that other tasks put in place stay for the next attempt.

    Raises:
        BuildError: if a worker dies (killed, or out of memory).
    """
    build.report(Progress(label, 0, tasks, unit))
    if build.workers <= 1 or tasks <= 1:
        for rank in range(tasks):
            task(rank)
            build.report(Progress(label, rank + 1, tasks, unit))
        return
    futures: list[Future[None]] = []
    try:
        futures += [_pool(build.workers).submit(task, rank) for rank in range(tasks)]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            build.report(Progress(label, done, tasks, unit))
    except BrokenProcessPool as error:
        _pool(build.workers).shutdown()
        _pool.cache_clear()
        raise BuildError(
            f"{label}: a worker process died, most likely for want of memory; use fewer workers, then run again"
        ) from error
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """The worker processes of this process; kept, since starting and importing costs more than most tasks.

    forkserver: the parent may have threads and torch loaded, neither of which survives a plain fork.
    """
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_pool)
