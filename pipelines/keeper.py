"""Stands between a service and the process that wanted it, and ends all of the service's family when either dies.

A signal at the parent's death reaches the child alone. What the child has started (a code server,
a run, a job queue) may not notice for a minute, or ever; the keeper lives on to end it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

from resources.lifeline import adopt_orphans

POLL_S = 0.5
STOP_S = 15.0


def keep(parent: int, arguments: Sequence[str]) -> int:
    """Run `python ARGUMENTS` until it ends, or until `parent` is gone, and end what it started; returns its status."""
    # Who ends the service signals the child too; the keeper goes when that has gone.
    signal.signal(signal.SIGTERM, lambda *_: None)
    adopt_orphans()
    child = subprocess.Popen([sys.executable, "-m", "resources.lifeline", str(os.getpid()), *arguments])
    while os.getppid() == parent and child.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
    status = child.poll()
    end_children()
    return 1 if status is None else status


def end_children() -> None:
    """End all that this process has started, and what those have: SIGTERM first, SIGKILL for who stays."""
    remaining = psutil.Process().children(recursive=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in remaining:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, remaining = psutil.wait_procs(remaining, timeout=STOP_S)


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
