"""How large low-rank adapters are, and where they sit; known without loading peft."""

from dataclasses import dataclass

from llm_core.errors import require

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class LoRAConfig:
    """How large the adapters are, and where they sit.

    Raises:
        ConfigError: if a value is out of range.
    """

    rank: int = 8
    """Rank r of each update: (in + out) x r parameters a projection."""
    alpha: int = 16
    """Scale of the updates, which are multiplied by alpha / r."""
    dropout: float = 0.0
    """Share of an adapter's inputs that training sets to zero."""
    targets: tuple[str, ...] = PROJECTIONS
    """Names of the projections that get an adapter; those that the architecture lacks are passed over."""

    def __post_init__(self) -> None:
        require(self, "rank", self.rank >= 1, "at least 1")
        require(self, "alpha", self.alpha >= 1, "at least 1")
        require(self, "dropout", 0.0 <= self.dropout < 1.0, "from 0 to below 1")
        is_known = bool(self.targets) and set(self.targets) <= set(PROJECTIONS)
        require(self, "targets", is_known, f"at least one of {', '.join(PROJECTIONS)}")
