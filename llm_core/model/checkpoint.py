"""A model on disk: ``model.safetensors`` and the ``config.json`` that says how to build it. Never a pickle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from llm_core.compress.int8 import int8_scheme, skeleton
from llm_core.compress.scheme import Int8Scheme
from llm_core.errors import ConfigError, LLMCoreError
from llm_core.model.config import ModelConfig
from llm_core.model.files import write_json, write_tensors
from llm_core.model.transformer import Transformer

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FORMAT = "tidemill"


class CheckpointError(LLMCoreError):
    """A folder holds no whole model, or a model cannot be written as one."""


def save_model(model: Transformer, folder: Path) -> None:
    """Write a model, plain or int8, into a folder.

    The same weights give the same bytes. Each file appears whole or not at all, ``config.json`` last: a folder that
    has it is complete.

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
    write_json(folder / CONFIG, {"format": FORMAT, "model": model.config.to_dict(), "quantization": quantization})


def load_model(folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Transformer:
    """Read a model that ``save_model`` wrote, in evaluation mode.

    Weights keep their stored dtype unless ``dtype`` is given, which casts all that are not integers.

    Raises:
        CheckpointError: if a file is missing, damaged, or does not fit the other.
    """
    config, scheme = _read_description(folder / CONFIG)
    model = skeleton(config, scheme)
    weights = folder / WEIGHTS
    try:
        state = safetensors.torch.load_file(weights, device=str(device))
        model.load_state_dict(state, assign=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{weights} is missing; save the model again") from error
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{weights} is damaged, or not of the model in {CONFIG}: {error}") from error
    return model.to(dtype=dtype).eval()


def _read_description(path: Path) -> tuple[ModelConfig, Int8Scheme | None]:
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: the folder holds no model, or was not written to its end") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); save the model again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not of the format {FORMAT!r}; Hugging Face folders go to import_huggingface")
    quantization = description.get("quantization")
    try:
        config = ModelConfig.from_dict(description["model"])
        if quantization is None:
            return config, None
        if quantization["method"] != "int8":
            raise CheckpointError(f"{path}: unknown quantization method {quantization['method']!r}; known is 'int8'")
        return config, Int8Scheme(tables=bool(quantization["tables"]))
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} lacks or mistypes a key ({error}); save the model again") from error
