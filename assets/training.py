"""Training as stages do it: `llm_core.train` inside the stage or as launched processes, its result put in place."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from assets.config import Config
from llm_core.train.config import RunConfig, TrainConfig
from llm_core.train.curve import write_curve
from resources.build import Build, Outcome, Progress

WEIGHT_FILES = ("model.safetensors", "config.json")
TOKENIZER_FILES = ("tokenizer.json", "chat_template.jinja")
FEED = "feed.json"
POLL_S = 0.5


class LaunchConfig(Config):
    """How a training is started."""

    launch: Literal["process", "in_process"] = "process"
    """Whether training is a process of its own (`accelerate launch`), or runs inside the stage."""
    processes: int = Field(1, ge=1)
    """Processes that train together."""

    @model_validator(mode="after")
    def _has_a_place_for_each_process(self) -> Self:
        if self.launch == "in_process" and self.processes > 1:
            raise ValueError("launch: in_process has one process; use launch: process for several")
        return self


@dataclass(frozen=True)
class FeedSource:
    """A folder of shards that a checkpoint was trained on: the artifact's fingerprint, the folder in it, its weight."""

    artifact: str
    folder: str
    weight: float


@dataclass(frozen=True)
class Feed:
    """What decides which tokens were in which step (`llm_core.feed.order`), and what of them was left out."""

    sources: tuple[FeedSource, ...]
    length: int
    sequences: int
    seed: int
    steps: int
    skipped_steps: tuple[int, ...]
    skipped_documents: tuple[str, ...]

    @classmethod
    def read(cls, checkpoint: Path) -> Feed:
        return TypeAdapter(cls).validate_json((checkpoint / FEED).read_bytes())


def weights_by_size(folders: Sequence[Path], length: int) -> dict[Path, float]:
    """The folders of shards that hold at least one row, each with its number of tokens."""
    from llm_core.feed.shards import Shards

    return {folder: float(tokens) for folder in folders if (tokens := Shards(folder).tokens) > length}


def validation_shards(folders: Sequence[Path], recipe: TrainConfig) -> str | None:
    """The newest shards that hold at least one row, to validate on; `folders` are oldest first."""
    usable = [*weights_by_size(folders, recipe.length)]
    return str(usable[-1]) if usable else None


def run_training(build: Build, run: RunConfig, *, tokenizer: Path, config: LaunchConfig) -> Outcome:
    """Train (or go on where a killed attempt was), and fill the build with the checkpoint.

    `run.output` and `run.scratch` lie in the build's scratch folder.
    """
    if config.launch == "in_process":
        from assets.training_process import ReportingCallback
        from llm_core.train.loop import train

        train(run, ReportingCallback(build.report))
    else:
        _launch(build, run)
    return put_checkpoint(build, run, tokenizer=tokenizer)


def put_checkpoint(build: Build, run: RunConfig, *, tokenizer: Path, more: Sequence[str] = ()) -> Outcome:
    """Put the checkpoint of a finished run in place, whole in itself; `more` names further files of its output.

    Weights, shape, curve and journal; the tokenizer and chat template that a server needs; and what
    decides the order of its tokens. What decided its rounding (torch, device, threads) goes to the
    manifest only.
    """
    output, recipe = Path(run.output), run.train
    copy_files(build, output, (*WEIGHT_FILES, "curve.csv", *more))
    copy_files(build, tokenizer, TOKENIZER_FILES)
    folders = [(Path(data.path), data.weight) for data in run.data]
    sources = tuple(FeedSource(folder.parent.name, folder.name, weight) for folder, weight in folders)
    journal: dict[str, Any] = json.loads((output / "journal.json").read_text())
    environment = journal.pop("environment")
    skipped = tuple(journal["skipped_steps"]), tuple(journal["skipped_documents"])
    feed = Feed(sources, recipe.length, recipe.sequences, recipe.seed, recipe.steps, *skipped)
    build.write(FEED, json.dumps(asdict(feed), indent=1))
    build.write("journal.json", json.dumps(journal, indent=1, sort_keys=True))
    stats = {name: len(value) if isinstance(value, list) else value for name, value in journal.items()}
    return Outcome(stats, environment=environment)


def put_unchanged(build: Build, parent: Path, recipe: TrainConfig, why: str) -> Outcome:
    """Put a parent's weights in place as the checkpoint of a training that took no step; the stats say `why`."""
    copy_files(build, parent, (*WEIGHT_FILES, *TOKENIZER_FILES))
    build.write("curve.csv", write_curve([]))
    build.write(FEED, json.dumps(asdict(Feed((), recipe.length, recipe.sequences, recipe.seed, 0, (), ())), indent=1))
    return Outcome({"steps": 0, "tokens": 0, "parameters": 0, "unchanged": why})


def copy_files(build: Build, source: Path, names: Sequence[str]) -> None:
    """Copy files of another folder into the build, each whole."""
    for name in names:
        with build.file(name) as target:
            shutil.copyfile(source / name, target)


def _launch(build: Build, run: RunConfig) -> None:
    from assets.training_process import PROGRESS_FILE
    from llm_core.train.launch import launch_command, launch_environment

    config = build.scratch / "run.json"
    config.write_text(json.dumps(asdict(run), indent=1))
    command = [*launch_command(run.processes), "-m", "assets.training_process", str(config)]
    with _followed(build, Path(run.scratch) / PROGRESS_FILE):
        build.launch(command, launch_environment(run.processes))


@contextmanager
def _followed(build: Build, file: Path) -> Iterator[None]:
    """Report the progress that launched processes write, while they last."""
    stop = threading.Event()

    def follow() -> None:
        reported = ""
        while not stop.wait(POLL_S):
            written = file.read_text() if file.exists() else ""
            if written != reported:
                build.report(Progress(**json.loads(written)))
                reported = written

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
