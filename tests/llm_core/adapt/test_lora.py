"""An adapter changes a model by what it learnt, merges into it exactly, and works in plain peft."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM

from llm_core.adapt.config import LoRAConfig
from llm_core.adapt.lora import AdapterError, attach_lora, merge_adapter, save_adapter
from llm_core.compress.int8 import quantize_int8
from llm_core.errors import ConfigError
from llm_core.interop.huggingface import export_huggingface
from llm_core.model.checkpoint import load_model, save_model
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

TOKENS = torch.randint(0, 40, (2, 9), generator=torch.Generator().manual_seed(3))
RANK_4 = LoRAConfig(rank=4)
FILES = ("adapter_config.json", "adapter_model.safetensors")


def base(**changes: Any) -> Transformer:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 40, "hidden_size": 24, "layers": 2, "heads": 4, "kv_heads": 2}
    return Transformer(ModelConfig(**(sizes | {"init_std": 0.2} | changes))).eval()


def adapted(config: LoRAConfig = RANK_4, **changes: Any) -> Transformer:
    """A base model whose adapters have learnt something."""
    model = attach_lora(base(**changes), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model.eval()


def test_a_fresh_adapter_changes_nothing() -> None:
    assert torch.equal(attach_lora(base())(TOKENS), base()(TOKENS))


def test_every_projection_gets_one_and_only_they_are_trained() -> None:
    model = attach_lora(base(), LoRAConfig(rank=4))
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    assert len(trained) == 2 * 2 * 7  # A and B, layers, projections
    widths = [(24, 24), (24, 12), (24, 12), (24, 24), (24, 64), (24, 64), (64, 24)]
    assert sum(parameter.numel() for parameter in trained.values()) == 2 * 4 * sum(i + o for i, o in widths)


def test_training_moves_the_adapter_alone() -> None:
    model = attach_lora(base(), LoRAConfig(rank=4, dropout=0.1)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # A moves only once B has left zero
        model(TOKENS).logsumexp(-1).mean().backward()
        optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name in before if "lora_" in name}


@pytest.mark.parametrize("changes", [{}, {"activation": "relu2", "qk_norm": True}, {"tied": False}])
def test_merging_gives_a_plain_model_with_the_same_logits(changes: dict[str, Any]) -> None:
    model = adapted(**changes)
    unmerged = model(TOKENS)
    merged = merge_adapter(model)
    torch.testing.assert_close(merged(TOKENS), unmerged, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(unmerged, base(**changes)(TOKENS), atol=1e-2)
    assert merged.state_dict().keys() == base(**changes).state_dict().keys()
    assert torch.equal(model(TOKENS), unmerged), "the adapted model stays as it was"


def test_a_merged_weight_has_moved_by_alpha_over_rank_times_the_product() -> None:
    model = adapted(LoRAConfig(rank=4, alpha=20))
    layer: Any = model.get_submodule("layers.1.mlp.up_proj")
    product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    moved = merge_adapter(model).get_parameter("layers.1.mlp.up_proj.weight") - layer.base_layer.weight
    torch.testing.assert_close(moved, 20 / 4 * product)


def test_a_merged_model_is_saved_quantized_and_adapted_again_like_any_other(tmp_path: Path) -> None:
    merged = merge_adapter(adapted())
    save_model(merged, tmp_path)
    assert torch.equal(load_model(tmp_path)(TOKENS), merged(TOKENS))
    assert quantize_int8(merged)(TOKENS).isfinite().all()
    assert torch.equal(attach_lora(merged)(TOKENS), load_model(tmp_path)(TOKENS))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("activation", ["swiglu", "relu2"])
def test_plain_peft_loads_it_on_the_exported_base(tmp_path: Path, activation: Any, qk_norm: bool, tied: bool) -> None:
    shape = {"activation": activation, "qk_norm": qk_norm, "tied": tied}
    special = ["<|bos|>", "<|eos|>", "<|pad|>", "<|end|>"]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(special)}, merges=[]))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    export_huggingface(base(**shape), tmp_path / "base", tokenizer_file=tmp_path / "tokenizer.json")
    model = adapted(**shape)
    save_adapter(model, tmp_path / "adapter")
    theirs = peft.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "adapter"
    )
    with torch.no_grad():
        assert (theirs(TOKENS).logits - model(TOKENS)).abs().max() < 1e-4


def test_the_same_adapter_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, targets in (("a", ("q_proj", "v_proj", "up_proj")), ("b", ("up_proj", "v_proj", "q_proj"))):
        save_adapter(adapted(LoRAConfig(rank=4, targets=targets)), tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    settings = json.loads((tmp_path / "a" / FILES[0]).read_text())
    assert settings["target_modules"] == ["q_proj", "up_proj", "v_proj"], "peft keeps a set, whose order is random"


def test_what_cannot_take_or_give_an_adapter_says_so(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no plain projection"):
        attach_lora(quantize_int8(base()))
    with pytest.raises(AdapterError, match="merge or drop"):
        attach_lora(adapted())
    with pytest.raises(AdapterError, match="no adapters to save"):
        save_adapter(base(), tmp_path)
    with pytest.raises(AdapterError, match="no adapters to merge"):
        merge_adapter(base())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rank": 0}, "at least 1"),
        ({"dropout": 1.0}, "below 1"),
        ({"targets": ("q_prod",)}, "q_prod"),
        ({"targets": ()}, "at least one"),
    ],
)
def test_an_impossible_configuration_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        LoRAConfig(**changes)
