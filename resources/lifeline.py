"""Child processes that must not outlive their parent, however that one ends, kill -9 included."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def exit_with_pool() -> None:
    """In a child of `multiprocessing`: end with the process that asked for it, though a fork server may live on."""
    owner = multiprocessing.parent_process()

    def watch() -> None:
        if owner is not None:
            owner.join()
            os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def become(parent: int, arguments: Sequence[str]) -> None:
    """Become `python ARGUMENTS`, to be ended by the kernel (Linux) when `parent` dies, however that happens."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, *arguments])


def adopt_orphans() -> None:
    """Let the kernel (Linux) give this process whatever its descendants leave behind, so that it can end them."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
