"""Supervised fine-tuning on chat pairs: all weights, or adapters beside them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from assets.training import put_checkpoint, put_unchanged, run_training, validation_shards, weights_by_size
from assets.training_process import ReportingCallback
from assets.variants.config import FinetuneConfig, LoraConfig
from llm_core.adapt.lora import attach_lora, merge_adapter, save_adapter
from llm_core.model.checkpoint import load_model, save_model
from llm_core.model.transformer import Transformer
from llm_core.train.config import DataSource, RunConfig, TrainConfig
from llm_core.train.loop import train
from resources.build import Build, Outcome

ADAPTER_FILES = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
NO_PAIRS = "no snapshot so far has one row of chat pairs: the parent's weights, not fine-tuned"


def finetune(build: Build, config: FinetuneConfig, *, parent: Path, pairs: Sequence[Path]) -> Outcome:
    """Fine-tune all weights of `parent` on the answers of all chat pairs so far, folders oldest first.

    Where they do not fill one row, the parent's weights are passed on.
    """
    run = _run(build, config.train, parent, pairs, config.processes)
    if run is None:
        return put_unchanged(build, parent, config.train, NO_PAIRS)
    return run_training(build, run, tokenizer=parent, config=config)


def finetune_adapters(build: Build, config: LoraConfig, *, parent: Path, pairs: Sequence[Path]) -> Outcome:
    """Train adapters beside the frozen weights of `parent`; both the adapter and the merged model are kept.

    The merged model is a checkpoint like any other; the adapter lies in `adapter/` in peft's format.
    Where the pairs do not fill one row, the parent's weights are passed on, and there is no adapter.
    """
    run = _run(build, config.train, parent, pairs, processes=1)
    if run is None:
        return put_unchanged(build, parent, config.train, NO_PAIRS)
    base = load_model(parent)
    torch.manual_seed(run.train.seed)
    model = attach_lora(base, config.adapters)
    train(run, ReportingCallback(build.report), model=model, save=_save_adapter_and_merged)
    return put_checkpoint(build, run, tokenizer=parent, more=ADAPTER_FILES)


def _save_adapter_and_merged(model: Transformer, folder: Path) -> None:
    save_adapter(model, folder / "adapter")
    save_model(merge_adapter(model), folder)


def _run(build: Build, recipe: TrainConfig, parent: Path, pairs: Sequence[Path], processes: int) -> RunConfig | None:
    weights = weights_by_size([folder / "train" for folder in pairs], recipe.length)
    if not weights:
        return None
    return RunConfig(
        data=tuple(DataSource(str(folder), weight) for folder, weight in weights.items()),
        validation=validation_shards([folder / "held_out" for folder in pairs], recipe),
        output=str(build.scratch / "output"),
        scratch=str(build.scratch),
        init_from=str(parent),
        train=recipe,
        processes=processes,
    )
