"""What a machine can do at best: matrix products and memory copies, measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

REPEATS = 5


def matrix_product_rate(dtype: torch.dtype, device: str, size: int = 1024) -> float:
    """Floating-point operations per second of a square matrix product, best of several (2 size³ a product)."""
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    return 2.0 * size**3 / _best_s(lambda: a @ b, device)


def copy_bandwidth(device: str, size_bytes: int = 1 << 28) -> float:
    """Bytes per second read and written by a copy too large for the caches, best of several."""
    source = torch.zeros(size_bytes // 4, device=device)
    target = torch.empty_like(source)
    return 2.0 * size_bytes / _best_s(lambda: target.copy_(source), device)


def _best_s(work: Callable[[], object], device: str) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        _synchronise(device)
        started = time.perf_counter()
        work()
        _synchronise(device)
        best = min(best, time.perf_counter() - started)
    return best


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
