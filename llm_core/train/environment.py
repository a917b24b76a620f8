"""What decides a run's rounding: chosen once, by measuring this machine where the recipe leaves it open.

The choice is written into every checkpoint and a resumed run takes it from there, since a measurement could come out
differently the second time and another precision gives other weights.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from llm_core.feed.batches import Batch
from llm_core.train.config import TrainConfig
from llm_core.train.cores import usable_cores
from llm_core.train.loss_module import LossModule, arguments

COMPILE_PAYS_AFTER_S = 300.0
"""Eager run time below which compiling (up to 90 s, cold) is not even tried."""
WORTHWHILE = 0.95
"""A choice must take at most this share of the time of the plain one: differences below are noise."""


@dataclass(frozen=True)
class Environment:
    """Everything besides the configuration that the weights depend on, bit for bit."""

    precision: Literal["fp32", "bf16"]
    """Type of matrix products."""
    is_compiled: bool
    """Whether blocks are compiled."""
    threads: int
    """Threads of each process."""
    processes: int
    """Processes that train together."""
    device: str
    """Kind of device: the instruction set of a CPU, the name of a GPU."""
    torch_version: str
    """Version of torch."""

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of ``precision``."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


def choose_environment(module: LossModule, config: TrainConfig, batch: Batch, accelerator: Accelerator) -> Environment:
    """Settle precision, compilation and threads; every process gets what the main one measured.

    Passes of the real model over a real micro-batch are timed. The module is left in the chosen state, without
    gradients; weights are untouched.
    """
    threads = config.threads or usable_cores() // local_processes(accelerator) or 1
    torch.set_num_threads(threads)
    device: torch.device = accelerator.device
    part = next(batch.to(device).split(config.micro_batch or len(batch)))

    def seconds(repeats: int = 3) -> float:
        return _agree(_seconds(lambda: _pass(module, part), repeats, device), accelerator)

    precision = config.precision
    if precision == "auto":
        precision = "fp32"
        if _agree(_bf16_gain(device), accelerator) > 1.0 / WORTHWHILE:
            plain = seconds()
            module.dtype = torch.bfloat16
            precision = "bf16" if seconds() < WORTHWHILE * plain else "fp32"
    module.dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    is_compiled = config.compile == "on"
    if is_compiled:
        module.compile_blocks()
    elif config.compile == "auto" and _can_compile(device):
        passes = config.steps * len(batch) / len(part)
        if passes * seconds(repeats=0) > COMPILE_PAYS_AFTER_S and passes * (plain := seconds()) > COMPILE_PAYS_AFTER_S:
            module.compile_blocks()
            is_compiled = seconds() < WORTHWHILE * plain
            if not is_compiled:
                module.uncompile_blocks()
    module.zero_grad(set_to_none=True)
    return Environment(
        precision, is_compiled, threads, accelerator.num_processes, _device_name(device), torch.__version__
    )


def apply_environment(environment: Environment, module: LossModule) -> None:
    """Put a module and this process into a state that was chosen before."""
    torch.set_num_threads(environment.threads)
    module.dtype = environment.dtype
    if environment.is_compiled:
        module.compile_blocks()


def local_processes(accelerator: Accelerator) -> int:
    """Processes of the run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def _can_compile(device: torch.device) -> bool:
    return device.type == "cuda" or shutil.which("g++") is not None or shutil.which("clang++") is not None


def _pass(module: LossModule, part: Batch) -> None:
    loss = module(*arguments(part))
    loss.backward()


def _bf16_gain(device: torch.device) -> float:
    """How much faster a bf16 matrix product is: far below one where the processor lacks the instructions."""
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(256, 256, dtype=dtype, device=device)
        rates.append(1.0 / _seconds(lambda matrix=matrix: matrix @ matrix, repeats=5, device=device))  # type: ignore[misc]
    return rates[1] / rates[0]


def _seconds(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """The fastest of some repetitions, after one that counts only if it is alone: it is slower than what follows."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return min(taken[1:] or taken)


def _agree(value: float, accelerator: Accelerator) -> float:
    """The main process's value, in every process."""
    return float(broadcast(torch.tensor(value, dtype=torch.float64, device=accelerator.device)).item())
