"""Supervised fine-tuning on chat pairs: all weights, or adapters beside them."""

from pathlib import Path

import torch

from assets.training import put_checkpoint, run_training, validation_shards
from assets.training_process import ReportingCallback
from assets.variants.config import FinetuneConfig, LoraConfig
from llm_core.adapt.lora import attach_lora, merge_adapter, save_adapter
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model, save_model
from llm_core.model.transformer import Transformer
from llm_core.train.config import DataSource, RunConfig, TrainConfig
from llm_core.train.loop import train
from resources.build import Build, Outcome
from resources.errors import BuildError

ADAPTER_FILES = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")


def finetune(build: Build, config: FinetuneConfig, *, parent: Path, pairs: Path) -> Outcome:
    """Fine-tune all weights of `parent` on the chat pairs' answers.

    Raises:
        BuildError: if there are fewer tokens than one row takes.
    """
    run = _run(build, config.train, parent, pairs, config.processes)
    return run_training(build, run, tokenizer=parent, launch=config.launch)


def finetune_adapters(build: Build, config: LoraConfig, *, parent: Path, pairs: Path) -> Outcome:
    """Train adapters beside the frozen weights of `parent`; both the adapter and the merged model are kept.

    The merged model is a checkpoint like any other; the adapter lies in `adapter/` in peft's format.
    """
    run = _run(build, config.train, parent, pairs, processes=1)
    base = load_model(parent)
    torch.manual_seed(run.train.seed)
    model = attach_lora(base, config.adapters)
    train(run, ReportingCallback(build.report), model=model, save=_save_adapter_and_merged)
    return put_checkpoint(build, run, tokenizer=parent, more=ADAPTER_FILES)


def _save_adapter_and_merged(model: Transformer, folder: Path) -> None:
    save_adapter(model, folder / "adapter")
    save_model(merge_adapter(model), folder)


def _run(build: Build, recipe: TrainConfig, parent: Path, pairs: Path, processes: int) -> RunConfig:
    tokens = Shards(pairs / "train").tokens
    if tokens <= recipe.length:
        raise BuildError(
            f"{pairs}: {tokens} tokens of chat pairs are fewer than one row of {recipe.length + 1}; lower train.length"
        )
    return RunConfig(
        data=(DataSource(str(pairs / "train")),),
        validation=validation_shards(pairs / "held_out", recipe),
        output=str(build.scratch / "output"),
        scratch=str(build.scratch),
        init_from=str(parent),
        train=recipe,
        processes=processes,
    )
