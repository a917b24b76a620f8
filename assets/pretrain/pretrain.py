"""Pretraining: which data, from which weights, for how many steps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assets.pretrain.config import PretrainConfig
from assets.training import run_training, validation_shards, weights_by_size
from assets.vocabulary import same_tokenizer
from llm_core.feed.shards import Shards
from llm_core.train.config import DataSource, RunConfig, TrainConfig
from resources.build import Build, Outcome
from resources.errors import BuildError

RATES = ("learning_rate", "embedding_learning_rate", "other_learning_rate")


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

    From scratch where there is no champion, or one of another tokenizer, on all shards up to this
    snapshot; from the champion otherwise, on the new shards, with `config.replay` of the rows from
    earlier ones.

    Args:
        new, earlier: folders of `token_shards`, this snapshot's and those before it, oldest first.
        champion: folder of the checkpoint to continue from.

    Raises:
        BuildError: if there are fewer tokens than one row takes.
    """
    if champion and not same_tokenizer(champion, tokenizer):
        champion = None  # its weights know other ids
    shards = [*earlier, new]
    folders = [folder / "train" for folder in shards]
    model = replace(config.model, vocab_size=Shards(folders[-1]).vocab_size)
    run = RunConfig(
        data=_sources(config, folders, is_continued=champion is not None),
        validation=validation_shards([folder / "held_out" for folder in shards], config.train),
        output=str(build.scratch / "output"),
        scratch=str(build.scratch),
        model=None if champion else model,
        init_from=str(champion) if champion else None,
        train=_continued(config) if champion else config.train,
        skip_documents=config.skip_documents,
        processes=config.processes,
    )
    return run_training(build, run, tokenizer=tokenizer, config=config)


def _sources(config: PretrainConfig, folders: Sequence[Path], *, is_continued: bool) -> tuple[DataSource, ...]:
    """Every folder that holds at least one row, weighted: by size from scratch, by replay when continuing."""
    new = folders[-1]
    weights = weights_by_size(folders, config.train.length)
    if not weights:
        raise BuildError(
            f"{new}: {Shards(new).tokens} tokens are fewer than one row of {config.train.length + 1}; crawl more, drop "
            "less (see `tidemill report`), or lower pretrain.train.length"
        )
    old = sum(tokens for folder, tokens in weights.items() if folder != new)
    if is_continued and old and new in weights:
        weights = {folder: config.replay * tokens / old for folder, tokens in weights.items()}
        weights[new] = 1 - config.replay
    return tuple(DataSource(str(folder), weight) for folder, weight in weights.items() if weight > 0)


def _continued(config: PretrainConfig) -> TrainConfig:
    """The recipe of a later snapshot: fewer steps, at lower rates."""
    recipe = config.train
    rates = {name: rate * config.continued_rate for name in RATES if (rate := getattr(recipe, name)) is not None}
    warmup_steps = min(recipe.warmup_steps, config.continued_steps)
    return replace(recipe, steps=config.continued_steps, warmup_steps=warmup_steps, **rates)
