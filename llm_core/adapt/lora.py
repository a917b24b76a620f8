"""Low-rank adapters (Hu et al., 2021): a frozen model, and beside each projection W a trained (alpha / r) B A.

peft supplies the layers. What is saved is peft's own folder under Hugging Face's names, so that plain peft loads it on
the exported base model.
"""

import copy
from pathlib import Path
from typing import Any, cast

import peft
import safetensors.torch
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from torch import nn

from llm_core.adapt.config import LoRAConfig
from llm_core.errors import LLMCoreError
from llm_core.interop.architectures import huggingface_name
from llm_core.model.files import write_json, write_tensors
from llm_core.model.transformer import Transformer

ADAPTER = "default"
"""peft's name for the one adapter of a model."""
PREFIX = "base_model.model."
"""What peft puts before the base model's names in a file."""


class AdapterError(LLMCoreError):
    """A model cannot take an adapter, or has none, or a folder holds none that fits."""


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
    return _inject(model, lora)


def save_adapter(model: Transformer, folder: Path, *, base: str | None = None) -> None:
    """Write a model's adapters as peft's folder; the same adapters give the same bytes.

    ``base`` names or locates the base model, for ``AutoPeftModelForCausalLM``.

    Raises:
        AdapterError: if the model has none.
    """
    if not _adapters(model):
        raise AdapterError("the model has no adapters to save; attach_lora gives it some")
    weights = model.state_dict()
    state = {saved: weights[name] for saved, name in _saved_names(model).items()}
    settings = cast(Any, model).peft_config[ADAPTER].to_dict() | {
        "base_model_name_or_path": base,
        "inference_mode": True,
    }
    ordered = {key: sorted(value) if isinstance(value, set) else value for key, value in sorted(settings.items())}
    write_tensors(folder / "adapter_model.safetensors", state)
    write_json(folder / "adapter_config.json", ordered)


def load_adapter(model: Transformer, folder: Path) -> Transformer:
    """Put saved adapters into their base model, in place, ready to answer or to train on.

    Raises:
        AdapterError: if the folder is not whole, or its adapters are not for this model.
    """
    weights, settings_file = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if not settings_file.is_file():  # peft would look for it on the hub
        raise AdapterError(f"{settings_file} is missing; name a folder that save_adapter or peft wrote")
    try:
        settings = peft.LoraConfig.from_pretrained(str(folder))
        saved = safetensors.torch.load_file(weights)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise AdapterError(f"{folder} holds no whole adapter ({error}); save it again") from error
    if _adapters(model):
        raise AdapterError("the model has adapters already; load into the plain base model")
    settings.inference_mode = False
    _inject(model, settings)
    names = _saved_names(model)
    try:
        if saved.keys() != names.keys():
            raise AdapterError(f"{min(saved.keys() ^ names.keys())!r} is in one of the two only")
        model.load_state_dict({names[name]: tensor for name, tensor in saved.items()}, strict=False)
    except (AdapterError, RuntimeError) as error:
        raise AdapterError(f"{weights} does not fit this model: {error}") from error
    return model


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


def _inject(model: Transformer, settings: peft.LoraConfig) -> Transformer:
    peft.inject_adapter_in_model(settings, model, adapter_name=ADAPTER)
    return model


def _adapters(model: Transformer) -> dict[str, LoraLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def _saved_names(model: Transformer) -> dict[str, str]:
    """Map the adapters' names in a file to those in the model."""
    names = [name for name in model.state_dict() if f".{ADAPTER}." in name]
    return {PREFIX + huggingface_name(model.config, name.replace(f".{ADAPTER}.", ".")): name for name in names}
