"""Checkpoints of a run in progress: all that the next step depends on, in a folder that is whole or absent.

``step-00000100/`` holds model.safetensors, optimiser.safetensors, curve.csv and state.json. It is written under
another name, flushed, and renamed. Random state is not in it: each step seeds its own.
"""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from llm_core.durable import sync
from llm_core.errors import LLMCoreError
from llm_core.feed.order import Order
from llm_core.parsing import read_dataclass
from llm_core.train.curve import Point, read_curve, write_curve
from llm_core.train.environment import Environment
from llm_core.train.recovery import Rewind

STATE = "state.json"
CURVE = "curve.csv"

logger = logging.getLogger(__name__)


class CheckpointError(LLMCoreError):
    """A checkpoint is damaged, or belongs to another run."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands, besides its tensors."""

    fingerprint: str
    """Of configuration, data and parent: a checkpoint serves no other run."""
    step: int
    """Steps done, skipped ones included: the number of the next."""
    environment: Environment
    """As chosen when the run began."""
    skip_documents: tuple[str, ...]
    """Declared documents, sorted."""
    skipped_steps: tuple[int, ...] = ()
    """Discovered steps, ascending."""
    rewinds: tuple[Rewind, ...] = ()
    """In the order in which they happened."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, read."""

    progress: Progress
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    points: list[Point]


def write_checkpoint(root: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, in place of one of the same step if there is one."""
    root.mkdir(parents=True, exist_ok=True)
    final = root / f"step-{checkpoint.progress.step:08d}"
    aside = root / f".{final.name}.aside"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for name, tensors in (("model", checkpoint.model), ("optimiser", checkpoint.optimiser)):
        held = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        safetensors.torch.save_file(held, aside / f"{name}.safetensors")
    (aside / CURVE).write_text(write_curve(checkpoint.points), encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
    state = {"progress": asdict(checkpoint.progress), "sizes": sizes}
    (aside / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    for path in (*aside.iterdir(), aside):
        sync(path)
    if final.exists():
        delete_checkpoint(final)
    aside.rename(final)
    sync(root)


def delete_checkpoint(folder: Path) -> None:
    """Delete a checkpoint; a kill in between leaves none rather than half of one."""
    doomed = folder.with_name(f".{folder.name}.doomed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def list_checkpoints(root: Path) -> dict[int, Path]:
    """The checkpoints by step, ascending."""
    return {int(path.name[5:]): path for path in sorted(root.glob("step-" + "[0-9]" * 8))}


def keep_newest(root: Path, count: int) -> None:
    """Delete all but the newest checkpoints, and what killed writers left."""
    for path in list(list_checkpoints(root).values())[:-count]:
        delete_checkpoint(path)
    for leftover in root.glob(".step-*"):
        shutil.rmtree(leftover)


def read_progress(folder: Path) -> Progress:
    """Read and check a checkpoint's state.

    Raises:
        CheckpointError: if a file is missing, unreadable, or of another size than it was written with.
    """
    try:
        state = json.loads((folder / STATE).read_bytes())
        for name, size in state["sizes"].items():
            found = (folder / name).stat().st_size
            if found != size:
                raise CheckpointError(f"{folder / name} has {found} bytes instead of {size}; delete the checkpoint")
        return read_dataclass(Progress, state["progress"], str(folder / STATE))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{folder} is no whole checkpoint ({error}); delete it") from error


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint with its tensors.

    Raises:
        CheckpointError: as ``read_progress``, or if a tensor file is damaged.
    """
    progress = read_progress(folder)
    try:
        model, optimiser = (
            safetensors.torch.load_file(folder / f"{name}.safetensors") for name in ("model", "optimiser")
        )
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{folder} has a damaged tensor file ({error}); delete the checkpoint") from error
    return Checkpoint(progress, model, optimiser, read_curve((folder / CURVE).read_text(encoding="utf-8")))


def newest_usable(root: Path, fingerprint: str, skip_documents: tuple[str, ...], order: Order) -> Checkpoint | None:
    """Read the newest checkpoint that is what this run would have come to; None if there is none.

    One made under another declared skip-list serves as long as no document that only one of the lists has was in a
    step before it. So forgetting a page replays from the last checkpoint before its first use, and the weights are
    those of a run that never saw it. A damaged checkpoint is passed over.

    Raises:
        CheckpointError: if the checkpoints are of another run.
    """
    for step, folder in reversed(list_checkpoints(root).items()):
        try:
            progress = read_progress(folder)
            if progress.fingerprint == fingerprint:
                changed = set(progress.skip_documents) ^ set(skip_documents)
                if any(order.steps_of_document(document, step) for document in changed):
                    continue
                return read_checkpoint(folder)
        except CheckpointError as error:
            logger.warning("passing over a checkpoint: %s", error)
            continue
        raise CheckpointError(
            f"{folder} is a checkpoint of another run (its configuration, data or parent differ); give this run a"
            " scratch folder of its own, or delete that one"
        )
    return None
