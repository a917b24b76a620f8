"""A saved model comes back as it was, byte for byte, or is refused by the name of its file."""

import json
from pathlib import Path

import pytest
import torch

from llm_core.adapt.lora import attach_lora
from llm_core.compress.int8 import quantize_int8
from llm_core.compress.scheme import Int8Scheme
from llm_core.model.checkpoint import CheckpointError, load_model, save_model
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

TOKENS = torch.tensor([[3, 1, 4, 1, 5]])


def fresh(*, tied: bool = True) -> Transformer:
    torch.manual_seed(0)
    return Transformer(ModelConfig(vocab_size=40, hidden_size=24, layers=2, heads=4, kv_heads=2, tied=tied)).eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("scheme", [None, Int8Scheme(), Int8Scheme(tables=True)])
def test_a_model_comes_back_as_it_was(tmp_path: Path, tied: bool, scheme: Int8Scheme | None) -> None:
    model = fresh(tied=tied)
    model = model if scheme is None else quantize_int8(model, scheme)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert torch.equal(loaded(TOKENS), model(TOKENS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("quantized", [True, False])
def test_the_same_weights_give_the_same_bytes(tmp_path: Path, quantized: bool) -> None:
    for name in ("a", "b"):
        save_model(quantize_int8(fresh()) if quantized else fresh(), tmp_path / name)
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_dtype_casts_all_but_integers(tmp_path: Path) -> None:
    save_model(quantize_int8(fresh()), tmp_path)
    loaded = load_model(tmp_path, dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.int8, torch.bfloat16}


def test_a_loaded_model_can_be_trained(tmp_path: Path) -> None:
    save_model(fresh(), tmp_path)
    model = load_model(tmp_path)
    model(TOKENS).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_unmerged_adapters_are_not_saved_as_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="merge adapters"):
        save_model(attach_lora(fresh()), tmp_path)


def test_a_folder_without_a_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_model(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    save_model(fresh(), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": "other"}, "format is 'other'; it must be one of 'tidemill'"),
        ({"model": {"layer": 2}}, "no field 'layer'; did you mean 'layers'"),
        ({"model": {"layers": 3}}, "damaged, or not of the model"),
        ({"quantization": {"method": "int4", "tables": False}}, "method is 'int4'; it must be one of 'int8'"),
        ({"quantization": {"tables": 1}}, "tables is 1; it must be of type bool"),
    ],
)
def test_a_description_of_something_else_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    save_model(fresh(), tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(CheckpointError, match=complaint):
        load_model(tmp_path)
