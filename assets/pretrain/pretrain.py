"""Pretraining: which data, from which weights, for how many steps."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from assets.pretrain.config import PretrainConfig
from assets.training import run_training
from llm_core.feed.shards import Shards
from llm_core.train.config import DataSource, RunConfig, TrainConfig
from resources.build import Build, Outcome
from resources.errors import BuildError


def pretrain(
    build: Build,
    config: PretrainConfig,
    *,
    new: Path,
    earlier: Sequence[Path],
    tokenizer: Path,
    champion: Path | None,
) -> Outcome:
    """Train the checkpoint of a snapshot.

    From scratch where there is no champion, on all shards up to this snapshot; from the champion
    otherwise, on the new shards, with `config.replay` of the rows from earlier ones.

    Args:
        new, earlier: folders of `token_shards`, this snapshot's and those before it, oldest first.
        champion: folder of the checkpoint to continue from.

    Raises:
        BuildError: if there are fewer tokens than one row takes.
    """
    shards = Shards(new / "train")
    model = dataclasses.replace(config.model, vocab_size=shards.vocab_size)
    data = _sources(config, [folder / "train" for folder in earlier], new / "train", is_continued=champion is not None)
    run = RunConfig(
        data=tuple(data),
        validation=_validation(new, config),
        output=str(build.scratch / "output"),
        scratch=str(build.scratch),
        model=model if champion is None else None,
        init_from=None if champion is None else str(champion),
        train=_recipe(config, is_continued=champion is not None),
        skip_documents=config.skip_documents,
        processes=config.processes,
    )
    return run_training(build, run, tokenizer=tokenizer, launch=config.launch)


def _sources(config: PretrainConfig, earlier: Sequence[Path], new: Path, *, is_continued: bool) -> list[DataSource]:
    """Every folder that holds at least one row, weighted: by size from scratch, by replay when continuing."""
    sizes = {folder: Shards(folder).tokens for folder in [*earlier, new]}
    usable = {folder: tokens for folder, tokens in sizes.items() if tokens > config.train.length}
    if not usable:
        raise BuildError(
            f"{new}: {sizes[new]} tokens are fewer than one row of {config.train.length + 1}; crawl more, drop less "
            "(see `tidemill report`), or lower pretrain.train.length"
        )
    weights = {folder: float(tokens) for folder, tokens in usable.items()}
    old = sum(tokens for folder, tokens in usable.items() if folder != new)
    if is_continued and old and new in usable:
        weights = {
            folder: (1 - config.replay) if folder == new else config.replay * tokens / old
            for folder, tokens in usable.items()
        }
    return [DataSource(str(folder), weight) for folder, weight in weights.items() if weight > 0]


def _validation(new: Path, config: PretrainConfig) -> str | None:
    folder = new / "held_out"
    return str(folder) if Shards(folder).tokens > config.train.length else None


def _recipe(config: PretrainConfig, *, is_continued: bool) -> TrainConfig:
    recipe = config.train
    if not is_continued:
        return recipe
    share = config.continued_rate
    return dataclasses.replace(
        recipe,
        steps=config.continued_steps,
        warmup_steps=min(recipe.warmup_steps, config.continued_steps),
        learning_rate=recipe.learning_rate * share,
        embedding_learning_rate=_scaled(recipe.embedding_learning_rate, share),
        other_learning_rate=_scaled(recipe.other_learning_rate, share),
    )


def _scaled(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share
