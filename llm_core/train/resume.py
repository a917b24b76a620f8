"""From which checkpoint a run may go on."""

from __future__ import annotations

import logging
from pathlib import Path

from llm_core.feed.order import Order
from llm_core.train.checkpoint import Checkpoint, CheckpointError, list_checkpoints, read_checkpoint, read_progress

logger = logging.getLogger(__name__)


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
