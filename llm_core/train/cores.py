"""How many cores a process may count on."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may run on: what the scheduler allows, not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
