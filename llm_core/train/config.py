"""What a training run is made from: the recipe (``TrainConfig``), and model, data and folders (``RunConfig``)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from llm_core.errors import ConfigError, require
from llm_core.model.config import ModelConfig
from llm_core.parsing import read_dataclass


@dataclass(frozen=True)
class TrainConfig:
    """How to train: sizes, optimiser, schedule, precision, and what to do when something goes wrong.

    Raises:
        ConfigError: if a value is out of range, or two values cannot go together.
    """

    steps: int = 1000
    """Optimiser steps."""
    sequences: int = 16
    """Rows of a step, over all processes and micro-batches."""
    length: int = 256
    """Tokens of a row that the model reads."""
    micro_batch: int = 0
    """Rows of one forward and backward pass of a process; their gradients add up (0 = all its rows at once)."""
    confine_attention: bool = False
    """Whether a token attends only inside its own document; costs speed, since plain causal kernels cannot be used."""
    optimiser: Literal["adamw", "muon"] = "muon"
    """adamw (Loshchilov & Hutter, 2019), or Muon (Jordan et al., 2024) for hidden matrices and adamw for the rest."""
    learning_rate: float = 0.02
    """Peak rate of hidden matrices; for Muon an update's scale, for adamw usually about 1e-3."""
    embedding_learning_rate: float | None = None
    """Peak AdamW rate of the token embedding, also where the head shares it (None = learning_rate)."""
    other_learning_rate: float | None = None
    """Peak AdamW rate of an untied head and of norm gains (None = learning_rate)."""
    beta1: float = 0.9
    """AdamW's decay of the gradient average, per step."""
    beta2: float = 0.95
    """AdamW's decay of the squared-gradient average, per step."""
    epsilon: float = 1e-8
    """Added to AdamW's denominator, in gradient units."""
    momentum: float = 0.95
    """Muon's decay of the (Nesterov) gradient average, per step."""
    weight_decay: float = 0.0
    """Decoupled decay of hidden matrices, per step and unit of learning rate."""
    clip_norm: float = 1.0
    """Largest norm of the whole gradient; a longer one is scaled down to it (0 = no clipping)."""
    warmup_steps: int = 10
    """Steps in which the rate rises linearly to its peak."""
    decay: Literal["linear", "cosine", "wsd", "none"] = "wsd"
    """How the rate falls after warm-up: linear or cosine to the end; wsd: constant, then linear over decay_fraction."""
    decay_fraction: float = 0.7
    """Share of all steps, at the end, over which wsd falls."""
    final_rate: float = 0.0
    """Where the decay ends, as a share of the peak rate."""
    seed: int = 0
    """Seed of the initial weights, of the order of the tokens and of the random state."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Type of matrix products: bf16 autocast, fp32, or what a measurement on this machine finds faster."""
    compile: Literal["on", "off"] = "off"
    """Whether the blocks are compiled, which takes up to 90 s (and on a CPU a C++ compiler) before it saves time."""
    threads: int = 0
    """Threads of one process (0 = the machine's cores shared among its processes)."""
    validate_every: int = 0
    """Steps between validations; one more follows the last step (0 = that one only)."""
    validation_windows: int = 0
    """Windows of the validation shards that are scored each time (0 = all)."""
    checkpoint_every: int = 100
    """Steps between checkpoints; one more follows the last step."""
    keep_last: int = 2
    """Checkpoints that are kept, at least 2: a rewind may need the one before the newest."""
    spike_threshold: float = 10.0
    """A loss this many robust standard deviations above the median of the window is a spike (0 = never)."""
    spike_window: int = 50
    """Losses that the rule looks back on, in steps; no step is judged before there are as many."""
    max_rewinds: int = 3
    """Rewinds after which the run gives up."""
    loss_chunk: int = 1024
    """Tokens whose logits exist at the same time."""

    def __post_init__(self) -> None:
        for name in ("steps", "sequences", "length", "checkpoint_every", "loss_chunk"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("micro_batch", "warmup_steps", "threads", "validate_every", "validation_windows", "max_rewinds"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "spike_threshold", self.spike_threshold >= 0, "at least 0")
        for name in ("learning_rate", "embedding_learning_rate", "other_learning_rate", "weight_decay", "clip_norm"):
            require(self, name, (getattr(self, name) or 0) >= 0, "at least 0")
        for name in ("beta1", "beta2", "momentum"):
            require(self, name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        for name in ("decay_fraction", "final_rate"):
            require(self, name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        require(self, "epsilon", self.epsilon > 0, "positive")
        require(self, "keep_last", self.keep_last >= 2, "at least 2")
        require(self, "spike_window", self.spike_window >= 5, "at least 5: a deviation of fewer losses means nothing")


@dataclass(frozen=True)
class DataSource:
    """Shards to train on, and how much of the training they make up."""

    path: str
    """Folder of token shards."""
    weight: float = 1.0
    """Share of the training rows, relative to the other sources' weights."""


@dataclass(frozen=True)
class RunConfig:
    """A whole training run, as JSON gives it to ``python -m llm_core.train``.

    Raises:
        ConfigError: if model and parent are both missing, or there is no data.
    """

    data: tuple[DataSource, ...]
    """Training shards; the order of several sources counts."""
    output: str
    """Folder for the result: model.safetensors, config.json, curve.csv, journal.json."""
    scratch: str
    """Folder for checkpoints while the run lasts; a run that finds its own there goes on from the newest."""
    model: ModelConfig | None = None
    """Shape of the model (null = the parent's)."""
    train: TrainConfig = TrainConfig()
    """The recipe."""
    validation: str | None = None
    """Folder of validation shards (null = no validation)."""
    init_from: str | None = None
    """Folder of a parent model to continue from (null = fresh weights)."""
    skip_documents: tuple[str, ...] = ()
    """Ids of documents that are masked wherever they occur."""
    processes: int = 1
    """Processes that train together; the run refuses to start with another number."""

    def __post_init__(self) -> None:
        if self.model is None and self.init_from is None:
            raise ConfigError("RunConfig has neither model nor init_from; give the shape of a new model, or a parent")
        if not self.data:
            raise ConfigError("RunConfig.data is empty; name at least one folder of shards")
        require(self, "processes", self.processes >= 1, "at least 1")
        rows = self.train.sequences
        if rows % self.processes:
            raise ConfigError(f"TrainConfig.sequences is {rows}; it must be a multiple of processes={self.processes}")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JSON file."""
        try:
            values = json.loads(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{path} cannot be read ({error.strerror}); name a run's JSON file") from error
        except ValueError as error:
            raise ConfigError(f"{path} is no JSON: {error}") from error
        return read_dataclass(cls, values, str(path))
