"""Integers stand for weights within half a step, and what that does to a model is measured."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.adapt.lora import attach_lora
from llm_core.compress.fidelity import measure_fidelity
from llm_core.compress.int8 import Int8Linear, QuantizationError, multiply, quantize_int8, quantize_rows
from llm_core.compress.scheme import Int8Scheme
from llm_core.model.cache import Cache
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

TOKENS = torch.randint(0, 256, (2, 32), generator=torch.Generator().manual_seed(3))


def plain(**changes: Any) -> Transformer:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 256, "hidden_size": 64, "layers": 2, "heads": 4, "kv_heads": 2}
    return Transformer(ModelConfig(**(sizes | {"init_std": 0.1} | changes))).eval().requires_grad_(False)


@given(rows=st.integers(1, 6), columns=st.integers(1, 40), scale=st.floats(1e-6, 1e6), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_no_weight_moves_by_more_than_half_a_step(rows: int, columns: int, scale: float, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * scale
    integers, steps = quantize_rows(matrix)
    error = (integers * steps[:, None] - matrix).abs()
    assert (error <= steps[:, None] * (0.5 + 1e-4)).all()
    assert integers.abs().amax(1).eq(127).all(), "the largest weight of a row uses the whole range"


def test_a_row_of_zeros_stays_zero() -> None:
    integers, steps = quantize_rows(torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
    assert (integers * steps[:, None]).tolist()[0] == [0.0, 0.0]
    assert steps.isfinite().all()


@pytest.mark.parametrize("columns", [36, 64, 96])  # 36: not whole blocks of the kernel
@pytest.mark.parametrize("rows", [1, 5])
def test_bf16_products_are_those_of_the_widened_integers(columns: int, rows: int) -> None:
    torch.manual_seed(0)
    integers, steps = quantize_rows(torch.randn(7, columns))
    x = torch.randn(2, rows, columns).bfloat16()
    expected = x.double() @ (integers.double() * steps.double()[:, None]).T
    with torch.no_grad():
        product = multiply(x, integers, steps)
    assert product.dtype == torch.bfloat16
    assert product.shape == (2, rows, 7)
    assert (product.double() - expected).abs().max() < 0.02 * expected.abs().max()


def test_fp32_products_equal_the_dequantized_layer() -> None:
    model = plain()
    layer = quantize_int8(model).get_submodule("layers.0.mlp.up_proj")
    assert isinstance(layer, Int8Linear)
    x = torch.randn(3, 64)
    torch.testing.assert_close(layer(x), x @ (layer.weight * layer.scale[:, None]).T)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("tables", [True, False])
def test_a_quantized_model_is_small_and_close(tables: bool, tied: bool) -> None:
    model = plain(tied=tied)
    fidelity = measure_fidelity(model, quantize_int8(model, Int8Scheme(tables=tables)), TOKENS)
    matrices = sum(p.numel() for name, p in model.matrices() if tables or "layers" in name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    others = parameters - matrices
    assert fidelity.reference_bytes == 4 * parameters
    assert matrices + 4 * others < fidelity.variant_bytes < 1.1 * matrices + 4 * others
    assert fidelity.variant_bytes < (0.3 if tables else 0.7) * fidelity.reference_bytes
    assert 0 < fidelity.logit_error < 0.03
    assert 0 < fidelity.divergence < 1e-3
    assert fidelity.agreement > 0.9


def test_a_model_is_faithful_to_itself() -> None:
    fidelity = measure_fidelity(plain(), plain(), TOKENS)
    assert (fidelity.logit_error, fidelity.divergence, fidelity.agreement) == (0.0, 0.0, 1.0)
    assert fidelity.variant_bytes == fidelity.reference_bytes


def test_an_unfaithful_model_is_told_apart() -> None:
    torch.manual_seed(5)
    fidelity = measure_fidelity(plain(), Transformer(plain().config), TOKENS)
    assert fidelity.logit_error > 0.5
    assert fidelity.divergence > 0.1
    assert fidelity.agreement < 0.5


def test_the_original_stays_as_it_is() -> None:
    model = plain()
    twin = quantize_int8(model)
    twin.norm.weight.data.zero_()
    assert torch.equal(model(TOKENS), plain()(TOKENS))


def test_a_quantized_model_works_with_a_cache() -> None:
    model = quantize_int8(plain(), Int8Scheme(tables=True))
    cache = Cache(model.config, slots=2, capacity=32)
    with torch.no_grad():
        parts = [model(TOKENS[:, :30], cache=cache), model(TOKENS[:, 30:31], cache=cache)]
        torch.testing.assert_close(torch.cat(parts, 1), model(TOKENS)[:, :31], rtol=1e-4, atol=1e-4)


def test_what_is_not_plain_cannot_be_quantized() -> None:
    for model in (quantize_int8(plain()), attach_lora(plain())):
        with pytest.raises(QuantizationError, match="quantized already, or has adapters"):
            quantize_int8(model)
