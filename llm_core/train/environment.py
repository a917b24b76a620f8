"""What decides a run's rounding: chosen once, by measuring this machine where the recipe leaves it open.

The choice is written into every checkpoint and a resumed run takes it from there, since a measurement could come out
differently the second time and another precision gives other weights.
"""

import os
import shutil
from dataclasses import dataclass
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from llm_core.feed.batches import Batch
from llm_core.train.config import TrainConfig
from llm_core.train.launch import usable_cores
from llm_core.train.loss_module import LossModule
from llm_core.train.peak import fastest_s, matrix_product_rate

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
    local = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
    threads = config.threads or usable_cores() // local or 1
    torch.set_num_threads(threads)
    device: torch.device = accelerator.device
    part = next(batch.to(device).split(config.micro_batch or len(batch)))

    def seconds(repeats: int = 3) -> float:
        return _agree(fastest_s(lambda: module(part).backward(), device, repeats), accelerator)

    precision = config.precision
    if precision == "auto":
        precision = "fp32"
        # Only where the processor has the instructions: a pass that emulates them would take minutes.
        rates = [matrix_product_rate(dtype, device.type, size=256) for dtype in (torch.float32, torch.bfloat16)]
        if _agree(rates[1] / rates[0], accelerator) > 1.0 / WORTHWHILE:
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


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def _can_compile(device: torch.device) -> bool:
    return device.type == "cuda" or shutil.which("g++") is not None or shutil.which("clang++") is not None


def _agree(value: float, accelerator: Accelerator) -> float:
    """The main process's value, in every process."""
    return float(broadcast(torch.tensor(value, dtype=torch.float64, device=accelerator.device)).item())
