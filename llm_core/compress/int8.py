"""Weights as 8-bit integers, one scale a row: a quarter of fp32's bytes, and no calibration data.

Each output row w becomes round(w / s) with s = max|w| / 127, so no weight moves by more than s / 2. Activations keep
their dtype ("weight-only", W8A16; Dettmers et al., 2022, section 3).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_core.compress.scheme import Int8Scheme
from llm_core.errors import LLMCoreError
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

KERNEL_BLOCK = 32
"""Columns that torch's int8 kernel may read at once: 16, doubled for safety."""


class QuantizationError(LLMCoreError):
    """A model cannot be quantized as it stands."""


class Int8Linear(nn.Module):
    """A linear layer without bias: ``weight`` (out, in) int8 times ``scale`` (out,)."""

    weight: Tensor
    scale: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scale", torch.empty(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return multiply(x, self.weight, self.scale)


class Int8Embedding(nn.Module):
    """An embedding whose rows are int8, each with its scale; it serves a tied head as well."""

    weight: Tensor
    scale: Tensor

    def __init__(self, rows: int, size: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(rows, size, dtype=torch.int8))
        self.register_buffer("scale", torch.empty(rows))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.weight[tokens].to(self.scale.dtype) * self.scale[tokens].unsqueeze(-1)

    def compare(self, states: Tensor) -> Tensor:
        """Score each state against each row: (…, hidden) to (…, vocab)."""
        return multiply(states, self.weight, self.scale)


def multiply(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """Compute x Wᵀ from W's integers and row scales: (…, in) to (…, out), in the dtype of x.

    For bf16 on a CPU, torch has a kernel that reads the integers directly. On an AVX2 machine, one thread, 8192 x 384,
    it took 0.6 of the time of an fp32 product for 1 row, 0.5 for 8, and 1.8 for 256. It reads columns in blocks, also
    past the end of rows that are not whole blocks, and it is slow in fp32. Elsewhere the integers are widened first:
    less space, no gain in speed.
    """
    has_kernel = x.dtype == torch.bfloat16 and x.device.type == "cpu" and weight.shape[1] % KERNEL_BLOCK == 0
    if has_kernel and not torch.is_grad_enabled():
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        product: Tensor = torch._weight_int8pack_mm(rows, weight, scale.to(x.dtype))
        return product.view(*x.shape[:-1], -1)
    return F.linear(x, weight.to(x.dtype)) * scale.to(x.dtype)


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Split (rows, columns) into int8 of the same shape and fp32 scales (rows,); a row of zeros gets scale 1."""
    matrix = matrix.detach().float()
    peak = matrix.abs().amax(dim=1)
    scale = torch.where(peak > 0, peak / 127, torch.ones_like(peak))
    return (matrix / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def quantize_int8(model: Transformer, scheme: Int8Scheme = Int8Scheme()) -> Transformer:
    """Return an int8 copy of a model; the model itself stays as it is.

    Raises:
        QuantizationError: if the model is quantized already, or carries unmerged adapters.
    """
    twin = skeleton(model.config, scheme)
    source, wanted = model.state_dict(), twin.state_dict()
    state: dict[str, Tensor] = {}
    for name, tensor in source.items():
        if wanted.get(name, tensor).dtype == torch.int8:
            state[name], state[name.removesuffix("weight") + "scale"] = quantize_rows(tensor)
        else:
            state[name] = tensor.detach().clone()
    if int8_scheme(model) is not None or state.keys() != wanted.keys():
        raise QuantizationError("the model is quantized already, or has adapters; load the plain one, or merge_adapter")
    twin.load_state_dict(state, assign=True)
    return twin.eval()


def int8_scheme(model: Transformer) -> Int8Scheme | None:
    """Tell how a model is quantized; None if it is not."""
    if not any(isinstance(module, Int8Linear) for module in model.modules()):
        return None
    return Int8Scheme(tables=isinstance(model.embed_tokens, Int8Embedding))


def skeleton(config: ModelConfig, scheme: Int8Scheme | None = None) -> Transformer:
    """Build a model's modules without storage, on the meta device, for weights to be assigned."""
    with torch.device("meta"):
        model = Transformer(config)
        if scheme is None:
            return model
        for parent, name, linear in list(_linears(model)):
            if parent is not model or scheme.tables:
                setattr(parent, name, Int8Linear(linear.in_features, linear.out_features))
        if scheme.tables:
            model.add_module("embed_tokens", Int8Embedding(config.vocab_size, config.hidden_size))
    return model


def _linears(model: Transformer) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                yield parent, name, child
