"""Optimisers over a model's parameters, and their state as named tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from llm_core.errors import LLMCoreError
from llm_core.train.config import TrainConfig
from llm_core.train.muon import Muon


@dataclass(frozen=True)
class ParameterRoles:
    """A model's trainable parameters by what they are, each name with its tensor."""

    matrices: dict[str, nn.Parameter]
    """Hidden matrices."""
    embeddings: dict[str, nn.Parameter]
    """Token embeddings, a tied head among them."""
    others: dict[str, nn.Parameter]
    """An untied head, and everything that is not a matrix."""


def parameter_roles(model: nn.Module) -> ParameterRoles:
    """Sort the trainable parameters; frozen ones appear in no role."""
    roles = ParameterRoles({}, {}, {})
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in tables:
            roles.embeddings[name] = parameter
        elif parameter.ndim == 2 and not name.split(".")[-2].endswith("head"):
            roles.matrices[name] = parameter
        else:
            roles.others[name] = parameter
    return roles


class Optimisers:
    """The optimisers of a run, stepped as one."""

    def __init__(self, model: nn.Module, config: TrainConfig, dtype: torch.dtype = torch.float32) -> None:
        """Set up for a model; ``dtype`` is that of Muon's products.

        Raises:
            LLMCoreError: if the model has no trainable parameter.
        """
        roles = parameter_roles(model)
        named = {**roles.matrices, **roles.embeddings, **roles.others}
        self.parameters = list(named.values())
        self._names = {id(parameter): name for name, parameter in named.items()}
        if not self.parameters:
            raise LLMCoreError("every parameter of the model is frozen: nothing to train; unfreeze some")
        rate = config.learning_rate

        def group(role: dict[str, nn.Parameter], peak: float | None, decay: float = 0.0) -> list[dict[str, Any]]:
            peak = rate if peak is None else peak
            return [{"params": list(role.values()), "lr": peak, "weight_decay": decay}] if role else []

        hidden = group(roles.matrices, rate, config.weight_decay)
        adamw = group(roles.embeddings, config.embedding_learning_rate)
        adamw += group(roles.others, config.other_learning_rate)
        self._optimisers: list[torch.optim.Optimizer] = []
        if config.optimiser == "adamw":
            adamw += hidden
        elif hidden:
            self._optimisers.append(Muon(hidden, lr=rate, momentum=config.momentum, dtype=dtype))
        if adamw:
            betas = config.beta1, config.beta2
            self._optimisers.append(torch.optim.AdamW(adamw, lr=rate, betas=betas, eps=config.epsilon, fused=True))
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
