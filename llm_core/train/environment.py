"""What decides a run's rounding: chosen once, by measuring this machine where the recipe leaves it open.

The choice is written into every checkpoint and a resumed run takes it from there, since a measurement could come out
differently the second time and another precision gives other weights.
"""

import os
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

WORTHWHILE = 0.95
"""bf16 must take at most this share of the time of fp32: differences below are noise."""


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

    def apply(self, module: LossModule) -> None:
        """Put a module and this process into the chosen state."""
        torch.set_num_threads(self.threads)
        module.dtype = self.dtype
        if self.is_compiled:
            module.compile_blocks()


def choose_environment(module: LossModule, config: TrainConfig, batch: Batch, accelerator: Accelerator) -> Environment:
    """Settle precision, compilation and threads; every process gets what the main one measured."""
    device: torch.device = accelerator.device
    local = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
    threads = config.threads or usable_cores() // local or 1
    torch.set_num_threads(threads)
    precision = config.precision
    if precision == "auto":
        part = next(batch.to(device).split(config.micro_batch or len(batch)))
        precision = "bf16" if _is_bf16_faster(module, part, accelerator) else "fp32"
    is_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if is_cuda else f"cpu {torch.backends.cpu.get_cpu_capability()}"
    return Environment(precision, config.compile == "on", threads, accelerator.num_processes, name, torch.__version__)


def _is_bf16_faster(module: LossModule, batch: Batch, accelerator: Accelerator) -> bool:
    """Time passes of the real model over a real micro-batch; weights are untouched."""
    device = accelerator.device
    # Only where the processor has the instructions: a pass that emulates them would take minutes.
    rates = [matrix_product_rate(dtype, device.type, size=256) for dtype in (torch.float32, torch.bfloat16)]
    if _agree(rates[1] / rates[0], accelerator) <= 1.0 / WORTHWHILE:
        return False

    def pass_s(dtype: torch.dtype) -> float:
        module.dtype = dtype
        return _agree(fastest_s(lambda: module(batch).backward(), device, repeats=3), accelerator)

    is_faster = pass_s(torch.bfloat16) < WORTHWHILE * pass_s(torch.float32)
    module.zero_grad(set_to_none=True)
    return is_faster


def _agree(value: float, accelerator: Accelerator) -> float:
    """The main process's value, in every process."""
    return float(broadcast(torch.tensor(value, dtype=torch.float64, device=accelerator.device)).item())
