"""Low-rank adapters (Hu et al., 2021): a frozen model, and beside each projection W a trained (alpha / r) B A.

peft supplies the layers. What is saved is peft's own folder under Hugging Face's names, so that plain peft loads it on
the exported base model.
"""

import copy
from pathlib import Path
from typing import Any, cast

import peft
from peft.tuners.lora import LoraLayer
from torch import nn

from llm_core.adapt.config import LoRAConfig
from llm_core.durable import write_json
from llm_core.errors import LLMCoreError
from llm_core.interop.huggingface import huggingface_name
from llm_core.model.checkpoint import write_tensors
from llm_core.model.transformer import Transformer

ADAPTER = "default"
"""peft's name for the one adapter of a model."""
PREFIX = "base_model.model."
"""What peft puts before the base model's names in a file."""


class AdapterError(LLMCoreError):
    """A model cannot take an adapter, or has none."""


def attach_lora(model: Transformer, config: LoRAConfig = LoRAConfig()) -> Transformer:
    """Put fresh adapters into a model, in place, and freeze all else; its output is unchanged until they are trained.

    A starts random (torch's global generator: seed it first), B at zero.

    Raises:
        AdapterError: if the model has adapters already, is quantized, or has none of the target projections.
    """
    present = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module) is nn.Linear}
    targets = [name for name in config.targets if name in present]
    if _adapters(model) or not targets:
        raise AdapterError(
            f"no plain projection named {', '.join(config.targets)}: merge or drop the adapters that the model has, "
            "and start from plain rather than quantized weights"
        )
    lora = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    peft.inject_adapter_in_model(lora, model, adapter_name=ADAPTER)
    return model


def save_adapter(model: Transformer, folder: Path) -> None:
    """Write a model's adapters as peft's folder; the same adapters give the same bytes.

    Raises:
        AdapterError: if the model has none.
    """
    if not _adapters(model):
        raise AdapterError("the model has no adapters to save; attach_lora gives it some")
    suffix = f".{ADAPTER}."
    state = {
        PREFIX + huggingface_name(model.config, name.replace(suffix, ".")): tensor
        for name, tensor in model.state_dict().items()
        if suffix in name
    }
    settings = cast(Any, model).peft_config[ADAPTER].to_dict() | {"inference_mode": True}
    ordered = {key: sorted(value) if isinstance(value, set) else value for key, value in sorted(settings.items())}
    write_tensors(folder / "adapter_model.safetensors", state)
    write_json(folder / "adapter_config.json", ordered)


def merge_adapter(model: Transformer) -> Transformer:
    """Return a plain model with the adapters added into its weights; the model itself stays as it is.

    Raises:
        AdapterError: if the model has none.
    """
    if not _adapters(model):
        raise AdapterError("the model has no adapters to merge")
    merged = copy.deepcopy(model)
    for name, layer in _adapters(merged).items():
        layer.merge(safe_merge=True)  # refuses weights that are not finite
        merged.set_submodule(name, layer.get_base_layer())
    del merged.peft_config
    return merged.requires_grad_(True).eval()


def _adapters(model: Transformer) -> dict[str, LoraLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
