"""Models as Hugging Face folders: written so that ``AutoModelForCausalLM`` and ``AutoTokenizer`` load them unchanged,
and read from the same architectures.

The folders are plain JSON and safetensors, so transformers itself is not needed here.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor

from llm_core.compress.int8 import int8_scheme, skeleton
from llm_core.interop.architectures import (
    InteropError,
    from_huggingface_config,
    huggingface_name,
    to_huggingface_config,
)
from llm_core.model.files import write_json, write_tensors, write_text
from llm_core.model.transformer import Transformer


@dataclass(frozen=True)
class SpecialTokens:
    """The tokens, by their text, that play a part outside of the text."""

    bos: str = "<|bos|>"
    """Starts a document."""
    eos: str = "<|eos|>"
    """Ends a document, and so generation."""
    pad: str = "<|pad|>"
    """Fills up a batch."""
    end: str = "<|end|>"
    """Ends a turn of a chat, and so generation too."""
    roles: tuple[str, ...] = ("<|user|>", "<|assistant|>")
    """Start the turns of a chat."""


def export_huggingface(
    model: Transformer,
    folder: Path,
    *,
    tokenizer_file: Path,
    chat_template: str | None = None,
    special_tokens: SpecialTokens = SpecialTokens(),
) -> None:
    """Write a model and its tokenizer as a Hugging Face folder; the same input gives the same bytes.

    ``tokenizer_file`` is a ``tokenizer.json`` of the tokenizers library, copied as it is; ``chat_template`` is Jinja.

    Raises:
        InteropError: if the model is quantized or has unmerged adapters, a special token is not in the tokenizer, or
            the tokenizer has more tokens than the model.
    """
    config, state = model.config, model.state_dict()
    if int8_scheme(model) is not None or state.keys() != skeleton(config).state_dict().keys():
        raise InteropError(
            "only plain models can be exported: merge adapters, and take the parent of a quantized model"
        )
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise InteropError(
            f"{tokenizer_file} has {tokenizer.get_vocab_size()} tokens, the model {config.vocab_size}: "
            "this is not the tokenizer that the model was trained with"
        )
    ids = {
        "bos_token_id": _token_id(tokenizer, special_tokens.bos, tokenizer_file),
        "eos_token_id": _token_id(tokenizer, special_tokens.eos, tokenizer_file),
        "pad_token_id": _token_id(tokenizer, special_tokens.pad, tokenizer_file),
    }
    stops = [ids["eos_token_id"], _token_id(tokenizer, special_tokens.end, tokenizer_file)]

    write_tensors(
        folder / "model.safetensors", {huggingface_name(config, name): value for name, value in state.items()}
    )
    shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
    write_json(folder / "tokenizer_config.json", _tokenizer_config(special_tokens, config.max_positions))
    write_json(folder / "generation_config.json", ids | {"eos_token_id": stops})
    if chat_template is not None:
        write_text(folder / "chat_template.jinja", chat_template)
    dtype = str(model.embed_tokens.weight.dtype).removeprefix("torch.")
    write_json(folder / "config.json", to_huggingface_config(config) | ids | {"dtype": dtype})


def import_huggingface(folder: Path) -> Transformer:
    """Read a model from a Hugging Face folder, in its stored dtype and in evaluation mode.

    Raises:
        InteropError: if a file is missing or damaged, or the architecture computes something that ours does not.
    """
    try:
        config = from_huggingface_config(_read_json(folder / "config.json"))
    except InteropError as error:
        raise InteropError(f"{folder}: {error}") from error
    names = {huggingface_name(config, name): name for name in skeleton(config).state_dict()}
    theirs = _read_weights(folder)
    if config.tied:
        theirs.pop("lm_head.weight", None)  # a copy of the embedding in some files
    if theirs.keys() != names.keys():
        raise InteropError(
            f"{folder}: weights do not fit config.json; missing {sorted(names.keys() - theirs.keys())[:3]}, "
            f"not known {sorted(theirs.keys() - names.keys())[:3]}"
        )
    model = skeleton(config)
    try:
        model.load_state_dict({names[name]: value for name, value in theirs.items()}, assign=True)
    except RuntimeError as error:
        raise InteropError(f"{folder}: weights do not fit config.json: {error}") from error
    return model.eval()


def _tokenizer_config(special: SpecialTokens, max_positions: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": special.bos,
        "eos_token": special.eos,
        "pad_token": special.pad,
        "extra_special_tokens": [*special.roles, special.end],
        "model_max_length": max_positions,
        "clean_up_tokenization_spaces": False,
    }


def _token_id(tokenizer: Tokenizer, token: str, file: Path) -> int:
    token_id: int | None = tokenizer.token_to_id(token)
    if token_id is None:
        raise InteropError(f"{file} has no token {token!r}; name the tokenizer's own in special_tokens")
    return token_id


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Read ``model.safetensors``, or the shards that its index names."""
    index = folder / "model.safetensors.index.json"
    files = sorted(set(_read_json(index)["weight_map"].values())) if index.exists() else ["model.safetensors"]
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            weights |= safetensors.torch.load_file(folder / file)
        except (FileNotFoundError, SafetensorError) as error:
            raise InteropError(
                f"{folder / file} is missing or damaged ({error}); weights must be safetensors, never pickles"
            ) from error
    return weights


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise InteropError(f"{path} is missing or not JSON ({error})") from error
    if not isinstance(value, dict):
        raise InteropError(f"{path} holds {type(value).__name__}, not an object")
    return value
