"""The random state of every process, as tensors."""

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor


def seed_random_state(accelerator: Accelerator, seed: int) -> None:
    """Start a sequence of its own in each process."""
    torch.manual_seed(seed + accelerator.process_index)


def gather_random_state(accelerator: Accelerator) -> dict[str, Tensor]:
    """The generators' states in all processes, each (processes, bytes) uint8; a collective operation."""
    device = accelerator.device
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    rows = accelerator.num_processes
    return {name: accelerator.gather(state.to(device)).reshape(rows, -1).cpu() for name, state in states.items()}


def restore_random_state(accelerator: Accelerator, states: Mapping[str, Tensor]) -> None:
    """Put this process's state back; with another number of processes or kind of device, none is left to put."""
    device, rank = accelerator.device, accelerator.process_index
    if len(states["cpu"]) != accelerator.num_processes or ("cuda" in states) != (device.type == "cuda"):
        return
    torch.set_rng_state(states["cpu"][rank].clone())
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)
