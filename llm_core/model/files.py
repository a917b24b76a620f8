"""Files that appear whole or not at all, with the same bytes for the same content."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file; its metadata holds one entry only, since the format gives several no fixed order."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _write(path, lambda draft: safetensors.torch.save_file(state, draft, metadata={"format": "pt"}))


def write_json(path: Path, value: object) -> None:
    """Write indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, line ends as they are."""
    _write(path, lambda draft: draft.write_bytes(text.encode()))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    write(draft)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
