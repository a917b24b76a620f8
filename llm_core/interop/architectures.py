"""Our decoder and the Hugging Face architectures that compute the same, under other names.

Each combination of activation and QK-norm is one of their architectures, with equal weights.
"""

from dataclasses import dataclass, field
from typing import Any

from llm_core.errors import ConfigError, LLMCoreError
from llm_core.model.config import Activation, ModelConfig


class InteropError(LLMCoreError):
    """A model, a tokenizer, or a folder has no counterpart on the other side."""


@dataclass(frozen=True)
class Architecture:
    """A Hugging Face decoder that computes what ours does."""

    model_type: str
    class_name: str
    activation: Activation
    qk_norm: bool
    renames: dict[str, str] = field(default_factory=dict)  # parts of module names, ours to theirs

    @property
    def hidden_act(self) -> str:
        return {"swiglu": "silu", "relu2": "relu2"}[self.activation]


ARCHITECTURES = (
    Architecture("llama", "LlamaForCausalLM", "swiglu", qk_norm=False),
    Architecture("qwen3", "Qwen3ForCausalLM", "swiglu", qk_norm=True),
    Architecture("arcee", "ArceeForCausalLM", "relu2", qk_norm=False),
    Architecture(
        "apertus",
        "ApertusForCausalLM",
        "relu2",
        qk_norm=True,
        renames={"input_layernorm": "attention_layernorm", "post_attention_layernorm": "feedforward_layernorm"},
    ),
)


def architecture_of(config: ModelConfig) -> Architecture:
    """Find the Hugging Face architecture that computes what this configuration does; there is one for each."""
    return next(a for a in ARCHITECTURES if (a.activation, a.qk_norm) == (config.activation, config.qk_norm))


def huggingface_name(config: ModelConfig, name: str) -> str:
    """Translate the name of one of our weights or modules.

    >>> huggingface_name(ModelConfig(), "layers.0.self_attn.q_proj.weight")
    'model.layers.0.self_attn.q_proj.weight'
    """
    renames = architecture_of(config).renames
    theirs = ".".join(renames.get(part, part) for part in name.split("."))
    return theirs if theirs.startswith("lm_head") else f"model.{theirs}"


def to_huggingface_config(config: ModelConfig) -> dict[str, Any]:
    """Describe our configuration as the ``config.json`` of its architecture, token ids and dtype left out."""
    architecture = architecture_of(config)
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


def from_huggingface_config(theirs: dict[str, Any]) -> ModelConfig:
    """Read our configuration from the content of a ``config.json``.

    Raises:
        InteropError: if the architecture computes something that our decoder does not.
    """
    model_type = theirs.get("model_type")
    architecture = next((a for a in ARCHITECTURES if a.model_type == model_type), None)
    if architecture is None:
        known = ", ".join(a.model_type for a in ARCHITECTURES)
        raise InteropError(f"config.json: model_type is {model_type!r}; those that our decoder computes are {known}")

    rope = theirs.get("rope_parameters") or theirs.get("rope_scaling") or {}
    computed = {  # what these architectures allow beyond ours, and the value without it
        "hidden_act": (theirs.get("hidden_act", architecture.hidden_act), architecture.hidden_act),
        "attention_bias": (theirs.get("attention_bias", False), False),
        "mlp_bias": (theirs.get("mlp_bias", False), False),
        "use_sliding_window": (theirs.get("use_sliding_window", False), False),
        "rope_type": (rope.get("rope_type", rope.get("type", "default")), "default"),
        "partial_rotary_factor": (rope.get("partial_rotary_factor", 1.0), 1.0),
        "quantization_config": (theirs.get("quantization_config"), None),
    }
    for name, (value, ours) in computed.items():
        if value != ours:
            raise InteropError(f"config.json: {name} is {value!r}; our decoder computes only {ours!r}")
    try:
        return ModelConfig(
            vocab_size=theirs["vocab_size"],
            hidden_size=theirs["hidden_size"],
            layers=theirs["num_hidden_layers"],
            heads=theirs["num_attention_heads"],
            kv_heads=theirs.get("num_key_value_heads") or 0,
            head_dim=theirs.get("head_dim") or 0,
            intermediate_size=theirs["intermediate_size"],
            activation=architecture.activation,
            qk_norm=architecture.qk_norm,
            rope_theta=float(rope.get("rope_theta", theirs.get("rope_theta", 10_000.0))),
            norm_eps=theirs["rms_norm_eps"],
            tied=theirs.get("tie_word_embeddings", False),
            max_positions=theirs["max_position_embeddings"],
            init_std=theirs.get("initializer_range", 0.02),
        )
    except (KeyError, ConfigError) as error:
        raise InteropError(f"config.json: {error} is missing or impossible") from error
