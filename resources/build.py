"""A build under way: the folder that a stage fills, file by file, so that a kill loses at most one file."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.errors import BuildError
from resources.store import Store

Launch = Callable[[Sequence[str], Mapping[str, str]], None]
PARTIAL = "partial"  # folder of the scratch for files not whole yet; what a killed attempt left there goes


@dataclass(frozen=True)
class Progress:
    """How far a long step is: `done` of `total` (None where unknown) in `unit`."""

    label: str
    done: float
    total: float | None
    unit: str


def silent(progress: Progress) -> None:
    """Report progress to nobody."""


def launch_plainly(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command to its end, with these variables over those of this process.

    Raises:
        BuildError: if it fails; what it did is kept, and the next attempt continues from there.
    """
    status = subprocess.run(list(command), env={**os.environ, **environment}, check=False).returncode
    if status != 0:
        raise BuildError(f"{' '.join(command)} ended with status {status}; run again to continue from its checkpoint")


@dataclass(frozen=True)
class Outcome:
    """What a stage says of the artifact that it filled.

    `stats` are JSON counts that follow from the content alone. `digest` replaces the digest over
    the files where bytes differ from run to run but content does not (WARC offsets and dates).
    `environment` is recorded in the manifest and hashed nowhere.
    """

    stats: Mapping[str, Any]
    digest: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """The attempt to fill one artifact's folder; picklable, so that worker processes share it.

    `folder` is the artifact's place in the store, `scratch` a local folder that survives a kill
    (checkpoints, queues) and goes at commit. `workers`, `report` and `launch` (how to run a command
    in a process of its own) never change the bytes.
    """

    store: Store
    folder: str
    scratch: Path
    partition: str | None = None
    workers: int = 1
    report: Callable[[Progress], None] = silent
    launch: Launch = launch_plainly

    def has(self, name: str) -> bool:
        """Whether this file was finished already, by this attempt or by one that was killed."""
        return self.store.exists(f"{self.folder}/{name}")

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """A local path to write; put in place whole when the block ends well, thrown away otherwise."""
        with self._partial(name) as partial:
            yield partial
            self.store.put(partial, f"{self.folder}/{name}")

    def write(self, name: str, data: bytes | str) -> None:
        """Put a small file in place whole."""
        with self.file(name) as path:
            path.write_bytes(data.encode() if isinstance(data, str) else data)

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A finished file of this build, as a local path to read."""
        if self.store.is_local:
            yield Path(self.store.key(f"{self.folder}/{name}"))
            return
        with self._partial(name) as copy:
            self.store.fetch(f"{self.folder}/{name}", copy)
            yield copy

    @contextmanager
    def _partial(self, name: str) -> Iterator[Path]:
        path = self.scratch / PARTIAL / f"{uuid.uuid4().hex}-{os.path.basename(name)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        # Workers neither report nor launch; what does may hold handles of this process.
        return {**self.__dict__, "report": silent, "launch": launch_plainly}
