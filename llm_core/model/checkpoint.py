"""A model on disk: ``model.safetensors`` and the ``config.json`` that says how to build it. Never a pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from llm_core.compress.int8 import int8_scheme, skeleton
from llm_core.compress.scheme import Int8Scheme
from llm_core.durable import write_json, write_whole
from llm_core.errors import ConfigError, LLMCoreError
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.parsing import read_dataclass

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


class CheckpointError(LLMCoreError):
    """A folder holds no whole model, or a model cannot be written as one."""


@dataclass(frozen=True)
class Quantization(Int8Scheme):
    """How a file's weights are quantized."""

    method: Literal["int8"] = "int8"


@dataclass(frozen=True)
class Description:
    """What ``config.json`` holds."""

    format: Literal["tidemill"]
    model: ModelConfig
    quantization: Quantization | None = None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file; its metadata holds one entry only, since the format gives several no fixed order."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, lambda draft: safetensors.torch.save_file(state, draft, metadata={"format": "pt"}))


def save_model(model: Transformer, folder: Path) -> None:
    """Write a model, plain or int8, into a folder; the same weights give the same bytes.

    ``config.json`` comes last: a folder that has it is complete.

    Raises:
        CheckpointError: if the model's weights are not those that its configuration describes.
    """
    scheme = int8_scheme(model)
    state = model.state_dict()
    unexpected = state.keys() ^ skeleton(model.config, scheme).state_dict().keys()
    if unexpected:
        raise CheckpointError(
            f"the weight {min(unexpected)!r} does not fit the model's configuration; before saving, merge adapters "
            "(merge_adapter) and unwrap compiled or distributed modules"
        )
    write_tensors(folder / WEIGHTS, state)
    quantization = None if scheme is None else {"method": "int8", **asdict(scheme)}
    write_json(folder / CONFIG, {"format": "tidemill", "model": asdict(model.config), "quantization": quantization})


def load_model(folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Transformer:
    """Read a model that ``save_model`` wrote, in evaluation mode.

    Weights keep their stored dtype unless ``dtype`` is given, which casts all that are not integers.

    Raises:
        CheckpointError: if a file is missing, damaged, or does not fit the other.
    """
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        description = read_dataclass(Description, values, str(folder / CONFIG))
        model = skeleton(description.model, description.quantization)
        state = safetensors.torch.load_file(folder / WEIGHTS, device=str(device))
        model.load_state_dict(state, assign=True)
    except FileNotFoundError as error:
        missing = error.filename or folder / WEIGHTS
        raise CheckpointError(f"{missing} is missing: {folder} holds no whole model; save it again") from error
    except ConfigError as error:
        raise CheckpointError(f"{error}; save the model again") from error
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG} is not JSON ({error}); save the model again") from error
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} is damaged, or not of the model in {CONFIG}: {error}") from error
    return model.to(dtype=dtype).eval()
