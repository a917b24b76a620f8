"""Start several training processes with accelerate, so that none outlives whoever started them.

``launch_command(n)`` is put before a module and its arguments::

    subprocess.Popen([*launch_command(2), "-m", "llm_core.train", "run.json"], env=os.environ | launch_environment(2))

The process that this starts asks the kernel for a SIGTERM at its parent's death, then *becomes* ``accelerate launch``
(the request survives exec), whose SIGTERM handling passes the signal on to the workers: they write a checkpoint and
leave. A worker asks for a SIGKILL at the launcher's death (``die_with_launcher``), so killing any of them, however
roughly, leaves nothing behind.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from llm_core.errors import LLMCoreError

LAUNCHER_PID = "LLM_CORE_LAUNCHER_PID"
PR_SET_PDEATHSIG = 1


class LaunchError(LLMCoreError):
    """The kernel refused to tie a process to its parent."""


def usable_cores() -> int:
    """Cores that this process may run on: what the scheduler allows, not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def launch_command(processes: int) -> list[str]:
    """The words to put before ``-m MODULE ARGUMENTS``; the caller must be the parent."""
    return [sys.executable, "-m", "llm_core.train.launch", str(os.getpid()), str(processes)]


def launch_environment(processes: int = 1) -> dict[str, str]:
    """Variables to add for the launched command.

    ``--cpu`` would silently run one process: on machines without a GPU it takes ``ACCELERATE_USE_CPU`` beside
    ``--multi_gpu`` to get several over gloo.
    """
    import torch  # only here: the process that becomes the launcher must not wait for it

    variables = {
        "OMP_NUM_THREADS": str(max(1, usable_cores() // processes)),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if not torch.cuda.is_available():
        variables |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
    return variables


def is_launched() -> bool:
    """Whether this process is a worker of ``launch_command``."""
    return LAUNCHER_PID in os.environ and "RANK" in os.environ


def die_with_launcher() -> None:
    """In a worker: be killed when the launcher dies. Elsewhere it does nothing."""
    if is_launched():
        _die_with_parent(int(os.environ[LAUNCHER_PID]), signal.SIGKILL)


def _die_with_parent(parent: int, number: signal.Signals) -> None:
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise LaunchError(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the kernel knew of our wish.
    if os.getppid() != parent:
        sys.exit(128 + number)


def become_launcher(processes: int, words: Sequence[str]) -> NoReturn:
    """Replace this process by ``accelerate launch`` of ``-m MODULE ARGUMENTS``; one process needs no launcher."""
    launcher: list[str] = []
    if processes > 1:
        os.environ[LAUNCHER_PID] = str(os.getpid())  # exec keeps the process id
        launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
        launcher += ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
        launcher += ["--num_processes", str(processes)]
    os.execv(sys.executable, [sys.executable, *launcher, *words])


def main(arguments: Sequence[str]) -> None:
    """Become the launcher; the arguments are those of ``launch_command``, then ``-m MODULE ARGUMENTS``."""
    _die_with_parent(int(arguments[0]), signal.SIGTERM)
    become_launcher(int(arguments[1]), arguments[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
