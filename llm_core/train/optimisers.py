"""Optimisers over a model's parameters, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        self.parameters = [*roles.matrices.values(), *roles.embeddings.values(), *roles.others.values()]
        self._names = {
            id(parameter): name
            for role in (roles.matrices, roles.embeddings, roles.others)
            for name, parameter in role.items()
        }
        if not self.parameters:
            raise LLMCoreError("every parameter of the model is frozen: nothing to train; unfreeze some")
        matrices, embeddings, others = ([*role.values()] for role in (roles.matrices, roles.embeddings, roles.others))
        adamw = [
            {"params": embeddings, "lr": _given(config.embedding_learning_rate, config), "weight_decay": 0.0},
            {"params": others, "lr": _given(config.other_learning_rate, config), "weight_decay": 0.0},
        ]
        hidden = {"params": matrices, "lr": config.learning_rate, "weight_decay": config.weight_decay}
        self._optimisers: list[torch.optim.Optimizer] = []
        if config.optimiser == "adamw":
            adamw.append(hidden)
        elif matrices:
            self._optimisers.append(Muon([hidden], lr=config.learning_rate, momentum=config.momentum, dtype=dtype))
        adamw = [group for group in adamw if group["params"]]
        if adamw:
            betas = config.beta1, config.beta2
            self._optimisers.append(
                torch.optim.AdamW(adamw, lr=config.learning_rate, betas=betas, eps=config.epsilon, fused=True)
            )
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
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    if self._names[id(parameter)] in entries:
                        optimiser.state[parameter] = entries.pop(self._names[id(parameter)])
        if entries:
            raise LLMCoreError(f"the optimiser state is of another model: {next(iter(entries))!r} is no parameter here")


def _given(rate: float | None, config: TrainConfig) -> float:
    return config.learning_rate if rate is None else rate


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """The norm of all gradients as one vector."""
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
