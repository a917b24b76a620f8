"""The reference: what requests look like when they are about what the champion was made for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from assets.documents import Funnel, count_documents, held_out
from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests
from assets.monitor.features import asked_text
from assets.monitor.logged_request import storable
from assets.monitor.loss import bits_per_byte
from assets.questions import questions
from resources.build import Build, Outcome
from resources.errors import BuildError

REQUESTS = "requests.parquet"


def make_reference(build: Build, config: MonitorConfig, corpora: Sequence[Path], champion: Path) -> Outcome:
    """Fill the build with questions about held-out documents of the champion's corpora, each with its loss.

    Questions rather than the documents themselves: against documents every request would look like
    drift. Each is drawn independently, masked and cut as the log does it, so that without drift a
    window and the reference are draws of one kind.

    Raises:
        BuildError: if no held-out document describes anything that could be asked for.
    """
    if not build.has(REQUESTS):
        table = _ask(config, corpora, champion)
        with build.file(REQUESTS) as path:
            pq.write_table(table, path)
    with build.local(REQUESTS) as path:
        requests = read_reference(path.parent)
    entered, kept = sum(map(count_documents, corpora)), sum(1 for _ in held_out(corpora))
    funnel = Funnel(entered, kept, {"train": entered - kept} if entered > kept else {})
    loss = round(float(np.mean(requests.bits_per_byte)), 4) if len(requests) else None
    stats = {**funnel.stats(), "requests": len(requests), "bits_per_byte": loss}
    return Outcome(stats, environment=scoring_environment())


def read_reference(folder: Path) -> Requests:
    """The reference's requests."""
    table = pq.read_table(folder / REQUESTS, columns=["text", "bits_per_byte"])
    return Requests(table["text"].to_pylist(), table["bits_per_byte"].to_numpy())


def scoring_environment() -> dict[str, str | int]:
    """What decides the rounding of losses; it is recorded, and hashed nowhere."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"torch": torch.__version__, "device": device, "threads": torch.get_num_threads()}


def _ask(config: MonitorConfig, corpora: Sequence[Path], champion: Path) -> pa.Table:
    asked = questions(held_out(corpora), config.seed, config.reference_requests)
    if config.monitors and not asked:
        raise BuildError(
            f"{', '.join(map(str, corpora))}: no held-out document describes anything to ask for, so there is "
            "nothing to compare requests with; hold out more (quality.split), or set monitor.monitors: []"
        )
    texts = [asked_text(storable(text, config)[0]) for text in asked]
    return pa.table({"text": pa.array(texts, pa.large_string()), "bits_per_byte": bits_per_byte(champion, texts)})
