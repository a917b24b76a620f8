"""The shape of a decoder, as data: every architecture variant is a line of configuration, never another model."""

from dataclasses import dataclass
from typing import Literal, get_args

from llm_core.errors import require

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
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("kv_heads", "head_dim", "intermediate_size"):
            require(self, name, getattr(self, name) >= 0, "positive, or 0 for the usual value")
        for name in ("rope_theta", "norm_eps", "init_std"):
            require(self, name, getattr(self, name) > 0, "positive")
        require(self, "activation", self.activation in get_args(Activation), f"one of {get_args(Activation)}")
        divides = self.head_dim or self.hidden_size % self.heads == 0
        require(self, "hidden_size", bool(divides), f"a multiple of heads={self.heads}, or set head_dim")

        in_64s = -(-(8 * self.hidden_size // 3) // 64) * 64
        usual_width = 4 * self.hidden_size if self.activation == "relu2" else in_64s
        object.__setattr__(self, "kv_heads", self.kv_heads or self.heads)
        object.__setattr__(self, "head_dim", self.head_dim or self.hidden_size // self.heads)
        object.__setattr__(self, "intermediate_size", self.intermediate_size or usual_width)

        require(self, "head_dim", self.head_dim % 2 == 0, "even: rotary turns features in pairs")
        require(self, "kv_heads", self.heads % self.kv_heads == 0, f"a divisor of heads={self.heads}")
