"""Our models as Hugging Face folders: ``AutoModelForCausalLM`` and ``AutoTokenizer`` load them unchanged.

Each combination of activation and QK-norm is one of their architectures, with equal weights under other names. The
folders are plain JSON and safetensors, so transformers itself is not needed here.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from llm_core.compress.int8 import int8_scheme, skeleton
from llm_core.durable import write_json, write_text
from llm_core.errors import LLMCoreError
from llm_core.model.checkpoint import write_tensors
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer


class InteropError(LLMCoreError):
    """A model or a tokenizer has no counterpart on the other side."""


@dataclass(frozen=True)
class Architecture:
    """A Hugging Face decoder that computes what ours does."""

    model_type: str
    class_name: str
    hidden_act: str
    renames: dict[str, str] = field(default_factory=dict)  # parts of module names, ours to theirs


ARCHITECTURES = {  # by activation and qk_norm
    ("swiglu", False): Architecture("llama", "LlamaForCausalLM", "silu"),
    ("swiglu", True): Architecture("qwen3", "Qwen3ForCausalLM", "silu"),
    ("relu2", False): Architecture("arcee", "ArceeForCausalLM", "relu2"),
    ("relu2", True): Architecture(
        "apertus",
        "ApertusForCausalLM",
        "relu2",
        renames={"input_layernorm": "attention_layernorm", "post_attention_layernorm": "feedforward_layernorm"},
    ),
}


# The tokens, by their text, that play a part outside of the text: a document begins and ends, a batch is filled up,
# the turns of a chat begin with a role and end, as generation does.
SPECIAL = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
ROLES, END = ("<|user|>", "<|assistant|>"), "<|end|>"


def export_huggingface(
    model: Transformer, folder: Path, *, tokenizer_file: Path, chat_template: str | None = None
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
    found = {token: tokenizer.token_to_id(token) for token in (*SPECIAL.values(), END)}
    for token, token_id in found.items():
        if token_id is None:
            raise InteropError(f"{tokenizer_file} has no token {token!r}; is it a tokenizer of this project?")
    ids = {f"{name}_id": found[token] for name, token in SPECIAL.items()}
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **SPECIAL,
        "extra_special_tokens": [*ROLES, END],
        "model_max_length": config.max_positions,
        "clean_up_tokenization_spaces": False,
    }
    weights = {huggingface_name(config, name): value for name, value in state.items()}
    write_tensors(folder / "model.safetensors", weights)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    write_json(folder / "generation_config.json", ids | {"eos_token_id": [ids["eos_token_id"], found[END]]})
    if chat_template is not None:
        write_text(folder / "chat_template.jinja", chat_template)
    dtype = str(model.embed_tokens.weight.dtype).removeprefix("torch.")
    write_json(folder / "config.json", huggingface_config(config) | ids | {"dtype": dtype})


def huggingface_name(config: ModelConfig, name: str) -> str:
    """Translate the name of one of our weights or modules.

    >>> huggingface_name(ModelConfig(), "layers.0.self_attn.q_proj.weight")
    'model.layers.0.self_attn.q_proj.weight'
    """
    renames = ARCHITECTURES[config.activation, config.qk_norm].renames
    theirs = ".".join(renames.get(part, part) for part in name.split("."))
    return theirs if theirs.startswith("lm_head") else f"model.{theirs}"


def huggingface_config(config: ModelConfig) -> dict[str, Any]:
    """Describe our configuration as the ``config.json`` of its architecture, token ids and dtype left out."""
    architecture = ARCHITECTURES[config.activation, config.qk_norm]
    return {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": architecture.hidden_act,
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,  # where readers older than transformers 5 look
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "use_cache": True,
    }
