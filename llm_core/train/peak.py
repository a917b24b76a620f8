"""What a machine can do at best: matrix products and memory copies, measured."""

import time
from collections.abc import Callable

import torch


def matrix_product_rate(dtype: torch.dtype, device: str, size: int = 1024) -> float:
    """Floating-point operations per second of a square matrix product, best of several (2 size³ a product)."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2.0 * size**3 / fastest_s(lambda: a @ b, device)


def copy_bandwidth(device: str, size_bytes: int = 1 << 28) -> float:
    """Bytes per second read and written by a copy too large for the caches, best of several."""
    source = torch.zeros(size_bytes // 4, device=device)
    target = torch.empty_like(source)
    return 2.0 * size_bytes / fastest_s(lambda: target.copy_(source), device)


def fastest_s(work: Callable[[], object], device: str | torch.device, repeats: int = 5) -> float:
    """The fastest of some repetitions, after one that counts only if it is alone: it is slower than what follows."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return min(taken[1:] or taken)
