"""Muon: momentum whose update is made orthogonal, for the hidden matrices of a network (Jordan et al., 2024).

``torch.optim.Muon`` takes the matrices one by one and always in bf16, which a CPU without bf16 units emulates: a
step of 28 matrices took 4.5 s on one core where this one takes 0.2 s. Here equal shapes go through batched products,
in the type that the run computes in.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic Newton-Schulz: steep at zero, singular values end in about [0.7, 1.2] (Jordan, 2024)."""
ITERATIONS = 5


def orthogonalise(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Replace the singular values of each matrix by about one: (count, rows, columns), the same shape back."""
    a, b, c = COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices
    # The Frobenius norm bounds the largest singular value, which must not exceed one for the iteration to converge.
    x = (x / matrices.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)).to(dtype)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if is_tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay. All parameters are matrices.

    An update is scaled by sqrt(max(1, rows / columns)), as in ``torch.optim.Muon`` (``adjust_lr_fn="original"``).
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step; parameters without a gradient stay."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._step(parameters, group["lr"], group["momentum"], group["weight_decay"])

    def _step(self, parameters: list[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        rows, columns = parameters[0].shape
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        averages = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(averages, gradients, 1.0 - momentum)
        ahead = torch.stack(torch._foreach_lerp(gradients, averages, momentum))  # (count, rows, columns)
        updates = orthogonalise(ahead, self.dtype).unbind()
        if weight_decay:
            torch._foreach_mul_(parameters, 1.0 - lr * weight_decay)
        torch._foreach_add_(parameters, updates, alpha=-lr * math.sqrt(max(1.0, rows / columns)))
