"""The variants' parts of the spec."""

from typing import Annotated

from pydantic import Field

from assets.config import Config, only_known_keys
from assets.training import Launch
from llm_core.adapt.config import LoRAConfig
from llm_core.compress.scheme import Int8Scheme
from llm_core.train.config import TrainConfig

Recipe = Annotated[TrainConfig, only_known_keys(TrainConfig)]
Adapters = Annotated[LoRAConfig, only_known_keys(LoRAConfig)]
Scheme = Annotated[Int8Scheme, only_known_keys(Int8Scheme)]


class FinetuneConfig(Config):
    """Supervised fine-tuning of all weights on chat pairs."""

    train: Recipe = TrainConfig(steps=120, sequences=16, learning_rate=0.004, warmup_steps=10)
    """Recipe of the fine-tuning, from the snapshot's pretrained checkpoint."""
    launch: Launch = "process"
    """Whether training is a process of its own, or runs inside the stage."""
    processes: int = Field(1, ge=1)
    """Processes that train together."""


class LoraConfig(Config):
    """The same fine-tuning by low-rank adapters."""

    adapters: Adapters = LoRAConfig()
    """How large the adapters are, and where they sit."""
    train: Recipe = TrainConfig(steps=120, sequences=16, optimiser="adamw", learning_rate=0.003, warmup_steps=10)
    """Recipe of the adapters' training, inside the stage: all other weights stay as they are."""


class QuantizeConfig(Config):
    """Eight-bit integer weights."""

    scheme: Scheme = Int8Scheme()
    """Which matrices become integers."""
    measure_tokens: int = Field(4096, ge=256)
    """Held-out tokens on which the variant is compared with its parent."""
