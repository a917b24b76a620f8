"""Stands between a service and the process that wanted it, and ends all of the service's family when that one dies.

A signal at the parent's death reaches the child alone. What the child has started (a code server,
a run, a job queue) may not notice for a minute, or ever; the keeper lives on to end it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil

POLL_S = 0.5
STOP_S = 10.0


def keep(parent: int, arguments: Sequence[str]) -> int:
    """Run `python ARGUMENTS` until it ends, or until `parent` is gone; returns its status."""
    signal.signal(signal.SIGTERM, _leave_it_to_the_child)
    child = subprocess.Popen([sys.executable, "-m", "resources.lifeline", str(os.getpid()), *arguments])
    while os.getppid() == parent:
        try:
            return child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue
    end([*psutil.Process().children(recursive=True)])
    return 1


def end(family: Sequence[psutil.Process], patience_s: float = STOP_S) -> None:
    """End processes: SIGTERM first, SIGKILL for who stays."""
    for process in family:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(family, timeout=patience_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _leave_it_to_the_child(*_: object) -> None:
    """Who ends the service signals the child too; the keeper goes when that has gone."""


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
