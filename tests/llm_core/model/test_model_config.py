"""A configuration says the whole shape of a decoder, and refuses an impossible one by name."""

import dataclasses
import json
from typing import Any

import pytest
import torch

from llm_core.errors import ConfigError, LLMCoreError
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.parsing import read_dataclass

SMALL: dict[str, Any] = {"vocab_size": 50, "hidden_size": 24, "layers": 2, "heads": 4}


def test_zero_asks_for_the_usual_value_and_the_object_holds_it() -> None:
    config = ModelConfig(hidden_size=384, heads=6)
    assert (config.kv_heads, config.head_dim, config.intermediate_size) == (6, 64, 1024)
    assert ModelConfig(hidden_size=384, heads=6, activation="relu2").intermediate_size == 1536


def test_a_configuration_survives_json() -> None:
    config = ModelConfig(**SMALL, rope_theta=5e5, tied=False)
    assert read_dataclass(ModelConfig, json.loads(json.dumps(dataclasses.asdict(config))), "model") == config


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no field 'hidden_sise'; did you mean 'hidden_size'"):
        read_dataclass(ModelConfig, {"hidden_sise": 24}, "model")


@pytest.mark.parametrize(("field", "value"), [("layers", "2"), ("tied", 1), ("heads", True), ("activation", 3)])
def test_a_value_of_the_wrong_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"model: {field} is .*must be (of type|one of)"):
        read_dataclass(ModelConfig, {field: value}, "model")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"layers": 0}, "layers"),
        ({"heads": 5}, "hidden_size"),
        ({"kv_heads": 3}, "kv_heads"),
        ({"head_dim": 7}, "head_dim"),
        ({"head_dim": -2}, "head_dim"),
        ({"activation": "gelu"}, "activation"),
        ({"norm_eps": 0.0}, "norm_eps"),
        ({"rope_theta": -1.0}, "rope_theta"),
    ],
)
def test_an_impossible_value_is_refused_by_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(LLMCoreError, match=f"ModelConfig.{field} is .*; it must be"):
        ModelConfig(**(SMALL | changes))


def test_zero_init_starts_from_an_even_distribution() -> None:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**SMALL, tied=False, zero_init=True))
    assert torch.equal(model(torch.tensor([[1, 2, 3]])), torch.zeros(1, 3, 50))


def test_initial_weights_have_the_spread_that_the_configuration_says() -> None:
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=400, hidden_size=128, layers=8, heads=4, init_std=0.05)
    weights = dict(Transformer(config).named_parameters())
    assert weights["embed_tokens.weight"].std().item() == pytest.approx(0.05, rel=0.05)
    assert weights["layers.3.self_attn.q_proj.weight"].std().item() == pytest.approx(0.05, rel=0.05)
    assert weights["layers.3.mlp.down_proj.weight"].std().item() == pytest.approx(0.05 / 4, rel=0.05)
