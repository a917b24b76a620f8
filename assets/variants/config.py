"""The variants' parts of the spec."""

from pydantic import Field

from assets.config import Config
from assets.training import LaunchConfig
from llm_core.adapt.config import LoRAConfig
from llm_core.compress.scheme import Int8Scheme
from llm_core.train.config import TrainConfig


class FinetuneConfig(LaunchConfig):
    """Supervised fine-tuning of all weights on chat pairs."""

    train: TrainConfig = TrainConfig(steps=120, sequences=16, learning_rate=0.004, warmup_steps=10)
    """Recipe of the fine-tuning, from the snapshot's pretrained checkpoint."""


class LoraConfig(Config):
    """The same fine-tuning by low-rank adapters."""

    adapters: LoRAConfig = LoRAConfig()
    """How large the adapters are, and where they sit."""
    train: TrainConfig = TrainConfig(steps=120, sequences=16, optimiser="adamw", learning_rate=0.003, warmup_steps=10)
    """Recipe of the adapters' training, inside the stage: all other weights stay as they are."""


class QuantizeConfig(Config):
    """Eight-bit integer weights."""

    scheme: Int8Scheme = Int8Scheme()
    """Which matrices become integers."""
    measure_tokens: int = Field(4096, ge=256)
    """Held-out tokens on which the variant is compared with its parent."""
