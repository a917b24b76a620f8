"""Optimisers over a model's parameters, and their state as named tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from llm_core.errors import LLMCoreError
from llm_core.train.config import TrainConfig
from llm_core.train.muon import Muon


def parameter_roles(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """Sort the trainable parameters by what they are, and then by name; frozen ones appear in no role.

    The roles: ``matrices`` (hidden ones), ``embeddings`` (a tied head among them), and ``others`` (an untied head, and
    everything that is not a matrix).
    """
    roles: dict[str, dict[str, nn.Parameter]] = {"matrices": {}, "embeddings": {}, "others": {}}
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for name, parameter in model.named_parameters():
        if id(parameter) in tables:
            role = "embeddings"
        else:
            role = "matrices" if parameter.ndim == 2 and not name.split(".")[-2].endswith("head") else "others"
        if parameter.requires_grad:
            roles[role][name] = parameter
    return roles


class Optimisers:
    """The optimisers of a run, stepped as one."""

    def __init__(self, model: nn.Module, config: TrainConfig, dtype: torch.dtype = torch.float32) -> None:
        """Set up for a model; ``dtype`` is that of Muon's products.

        Raises:
            LLMCoreError: if the model has no trainable parameter.
        """
        roles = parameter_roles(model)
        named = {name: parameter for role in roles.values() for name, parameter in role.items()}
        self.parameters = list(named.values())
        self._names = {id(parameter): name for name, parameter in named.items()}
        if not self.parameters:
            raise LLMCoreError("every parameter of the model is frozen: nothing to train; unfreeze some")
        groups: dict[str, dict[str, Any]] = {
            role: {"params": list(members.values())} for role, members in roles.items() if members
        }
        peaks = {"embeddings": config.embedding_learning_rate, "others": config.other_learning_rate}
        for role, group in groups.items():
            peak = peaks.get(role)
            group["lr"] = config.learning_rate if peak is None else peak
            group["weight_decay"] = config.weight_decay if role == "matrices" else 0.0
        rate, betas = config.learning_rate, (config.beta1, config.beta2)
        self._optimisers: list[torch.optim.Optimizer] = []
        if config.optimiser == "muon" and "matrices" in groups:
            self._optimisers.append(Muon([groups.pop("matrices")], lr=rate, momentum=config.momentum, dtype=dtype))
        if groups:
            adamw = torch.optim.AdamW(list(groups.values()), lr=rate, betas=betas, eps=config.epsilon, fused=True)
            self._optimisers.append(adamw)
        self._groups = [group for optimiser in self._optimisers for group in optimiser.param_groups]
        self._peaks = [group["lr"] for group in self._groups]

    def step(self, rate_factor: float) -> None:
        """Take a step with every rate at this share of its peak, and drop the gradients."""
        for group, peak in zip(self._groups, self._peaks, strict=True):
            group["lr"] = peak * rate_factor
        for optimiser in self._optimisers:
            optimiser.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as ``parameter|entry`` to tensor."""
        return {
            f"{self._names[id(parameter)]}|{entry}": tensor
            for optimiser in self._optimisers
            for parameter, entries in optimiser.state.items()
            for entry, tensor in entries.items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what ``state`` gave; what was there before is dropped."""
        entries: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            name, entry = key.rsplit("|", 1)
            entries.setdefault(name, {})[entry] = tensor.clone()
        for optimiser in self._optimisers:
            optimiser.state.clear()
            for parameter in (parameter for group in optimiser.param_groups for parameter in group["params"]):
                if (name := self._names[id(parameter)]) in entries:
                    optimiser.state[parameter] = entries.pop(name)
        if entries:
            raise LLMCoreError(f"the optimiser state is of another model: {next(iter(entries))!r} is no parameter here")
