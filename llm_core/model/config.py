"""The shape of a decoder, as data: every architecture variant is a line of configuration, never another model."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from llm_core.errors import ConfigError

Activation = Literal["swiglu", "relu2"]


@dataclass(frozen=True)
class ModelConfig:
    """What a ``Transformer`` is made of.

    A zero in ``kv_heads``, ``head_dim`` or ``intermediate_size`` asks for the usual value, and the object then holds
    that value: what is saved is always explicit.

    Raises:
        ConfigError: if a value is out of range, or two values cannot go together.
    """

    vocab_size: int = 8192
    """Number of token ids, special tokens included."""
    hidden_size: int = 384
    """Width of the residual stream, in features."""
    layers: int = 8
    """Number of decoder blocks."""
    heads: int = 6
    """Number of query heads."""
    kv_heads: int = 0
    """Number of key and value heads, each shared by heads / kv_heads query heads (0 = heads: no sharing)."""
    head_dim: int = 0
    """Features of one head, an even number since rotary turns them in pairs (0 = hidden_size // heads)."""
    intermediate_size: int = 0
    """Width of the feed-forward layer, in features (0 = 4 x hidden for relu2; 8/3 x hidden, in 64s, for swiglu)."""
    activation: Activation = "swiglu"
    """swiglu gates the up projection with SiLU (Shazeer, 2020); relu2 squares a ReLU, ungated (So et al., 2021)."""
    qk_norm: bool = False
    """Normalise each query and key head before rotary (Henry et al., 2020), which bounds the attention logits."""
    rope_theta: float = 10_000.0
    """Base of the rotary wavelengths, in positions: the longest is about 2 pi x theta."""
    norm_eps: float = 1e-6
    """Added to the mean square inside each RMSNorm, so that a zero vector stays finite."""
    tied: bool = True
    """Whether the output head reads the embedding table, rather than a matrix of its own."""
    max_positions: int = 2048
    """Longest sequence that the model accepts, in tokens."""
    init_std: float = 0.02
    """Standard deviation of the initial weights; the projections into the residual stream get less (see below)."""
    zero_init: bool = False
    """Whether projections into the residual stream, and an untied head, start at zero; if not, at std / sqrt(2 L)."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "layers", "heads", "max_positions"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("kv_heads", "head_dim", "intermediate_size"):
            self._require(name, getattr(self, name) >= 0, "positive, or 0 for the usual value")
        for name in ("rope_theta", "norm_eps", "init_std"):
            self._require(name, getattr(self, name) > 0, "positive")
        self._require("activation", self.activation in get_args(Activation), f"one of {get_args(Activation)}")
        if self.head_dim == 0:
            self._require(
                "hidden_size", self.hidden_size % self.heads == 0, f"a multiple of heads={self.heads}, or set head_dim"
            )

        usual_width = 4 * self.hidden_size if self.activation == "relu2" else _round_up(8 * self.hidden_size // 3, 64)
        object.__setattr__(self, "kv_heads", self.kv_heads or self.heads)
        object.__setattr__(self, "head_dim", self.head_dim or self.hidden_size // self.heads)
        object.__setattr__(self, "intermediate_size", self.intermediate_size or usual_width)

        self._require("head_dim", self.head_dim % 2 == 0, "even: rotary turns features in pairs")
        self._require("kv_heads", self.heads % self.kv_heads == 0, f"a divisor of heads={self.heads}")

    def _require(self, field: str, holds: bool, what: str) -> None:
        if not holds:
            raise ConfigError(f"ModelConfig.{field} is {getattr(self, field)!r}; it must be {what}")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in their declared order, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping of field names, such as ``to_dict`` made; missing fields take their defaults.

        Raises:
            ConfigError: if a key is no field (the nearest field is named), or a value has the wrong type.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key, value in values.items():
            if key not in known:
                nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
                raise ConfigError(f"ModelConfig has no field {key!r}; did you mean {nearest!r}?")
            wanted = type(known[key].default)
            fits = type(value) is wanted or (wanted is float and type(value) is int)
            if not fits:
                raise ConfigError(f"ModelConfig.{key} is {value!r}; it must be of type {wanted.__name__}")
        return cls(**values)

    def parameters(self) -> int:
        """Count the trainable parameters, a tied table once."""
        q_width, kv_width = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = self.hidden_size * (2 * q_width + 2 * kv_width) + (2 * self.head_dim if self.qk_norm else 0)
        mlp = self.hidden_size * self.intermediate_size * (3 if self.activation == "swiglu" else 2)
        block = attention + mlp + 2 * self.hidden_size  # its two norms
        table = self.vocab_size * self.hidden_size
        return self.layers * block + self.hidden_size + table * (1 if self.tied else 2)

    def flops_per_token(self, length: int) -> float:
        """Estimate the training cost of one token, forward and backward, in sequences of ``length`` tokens.

        6 per parameter that a token is multiplied with (2 forward, 4 backward; Kaplan et al., 2020; the look-up in an
        untied embedding multiplies nothing), and 6 x L x heads x head_dim x length for causal attention, where a query
        meets half of the keys on average.
        """
        lookup = 0 if self.tied else self.vocab_size * self.hidden_size
        attention = self.layers * self.heads * self.head_dim * length
        return 6.0 * (self.parameters() - lookup) + 6.0 * attention


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
