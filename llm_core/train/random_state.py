"""The random state of every process, as tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor


class RandomState:
    """Torch's generators of this process, on the CPU and on its device."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._is_cuda = accelerator.device.type == "cuda"

    def seed(self, seed: int) -> None:
        """Start a sequence of its own in each process."""
        torch.manual_seed(seed + self._accelerator.process_index)

    def gather(self) -> dict[str, Tensor]:
        """The states of all processes, each (processes, bytes) uint8; a collective operation."""
        states = {"cpu": torch.get_rng_state()}
        if self._is_cuda:
            states["cuda"] = torch.cuda.get_rng_state(self._accelerator.device)
        processes = self._accelerator.num_processes
        return {
            name: self._accelerator.gather(state.to(self._accelerator.device)).reshape(processes, -1).cpu()
            for name, state in states.items()
        }

    def restore(self, states: Mapping[str, Tensor]) -> None:
        """Put this process's state back; with another number of processes or kind of device, none is left to put."""
        if len(states["cpu"]) != self._accelerator.num_processes or ("cuda" in states) != self._is_cuda:
            return
        torch.set_rng_state(states["cpu"][self._accelerator.process_index].clone())
        if self._is_cuda:
            torch.cuda.set_rng_state(states["cuda"][self._accelerator.process_index].clone(), self._accelerator.device)
