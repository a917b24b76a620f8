"""Pretraining's part of the spec."""

from typing import Self

from pydantic import Field, model_validator

from assets.training import LaunchConfig
from llm_core.model.config import ModelConfig
from llm_core.train.config import TrainConfig


class PretrainConfig(LaunchConfig):
    """The model's shape, the recipe, and how training goes on at later snapshots."""

    model: ModelConfig = ModelConfig()
    """Shape of the decoder; its vocabulary size is set by the tokenizer."""
    train: TrainConfig = TrainConfig()
    """Recipe of the first snapshot's training, from scratch."""
    continued_steps: int = Field(400, ge=1)
    """Optimiser steps at each later snapshot, from the champion."""
    continued_rate: float = Field(0.5, gt=0, le=1)
    """Peak learning rates at later snapshots, as a share of the first one's."""
    replay: float = Field(0.5, ge=0, lt=1)
    """Share of the rows at later snapshots that come from earlier ones, so that what was learnt is kept."""
    skip_documents: tuple[str, ...] = ()
    """Ids of documents whose tokens are masked wherever they occur: no loss, no attention to them."""

    @model_validator(mode="after")
    def _rows_fit_the_model(self) -> Self:
        if self.train.length > self.model.max_positions:
            raise ValueError(f"train.length {self.train.length} is past model.max_positions {self.model.max_positions}")
        return self
