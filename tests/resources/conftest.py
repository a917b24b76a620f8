"""A lake in a folder of its own, artifacts to put in it, and what was built so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resources.artifact import Artifact, Recipe
from resources.build import Build, Outcome
from resources.lake import Lake


def recipe(name: str = "numbers", *parents: Artifact, partition: str = "2026-01-05", **config: object) -> Recipe:
    return Recipe(name, partition, config, parents=parents)


@dataclass
class Counter:
    """A stage that writes `files` small files, tells which it made, and fails before the file `stop`."""

    files: int = 3
    stop: int | None = None
    made: list[int] = field(default_factory=list)

    def __call__(self, build: Build) -> Outcome:
        for number in range(self.files):
            if number == self.stop:
                raise KeyboardInterrupt
            if not build.has(f"{number}.txt"):
                self.made.append(number)
                build.write(f"{number}.txt", f"number {number}\n")
        return Outcome({"files": self.files})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", tmp_path / "home")


@pytest.fixture
def commit(lake: Lake) -> Callable[..., Artifact]:
    """Commits a small artifact of a stage; other words, another artifact."""

    def make(stage: str, *parents: Artifact, partition: str = "2026-01-05", kind: str = "derived", **config: object):
        asked = Recipe(stage, partition, config, kind=kind, parents=parents)
        return lake.build(asked, lambda build: (build.write("words", repr(config)), Outcome({}))[1])[0]

    return make
