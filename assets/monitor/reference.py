"""The reference: what requests look like when they are about what the champion was made for."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from assets.documents import Document, Funnel, count_documents, read_documents
from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests
from assets.monitor.features import STATISTICS, asked_text, text_statistics
from assets.monitor.logged_request import storable
from assets.monitor.loss import bits_per_byte
from assets.questions import Question, questions
from resources.build import Build, Outcome
from resources.errors import BuildError

REQUESTS = "requests.parquet"
SUMMARY = "reference.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Summary:
    """What the reference was made from; `champion` is the SHA-256 of the weights that scored it."""

    champion: str
    documents: int
    held_out: int
    requests: int
    bits_per_byte: float


def make_reference(build: Build, config: MonitorConfig, corpora: Sequence[Path], champion: Path) -> Outcome:
    """Fill the build with questions about held-out documents of the champion's corpora, each with its loss.

    Questions rather than the documents themselves: against documents every request would look like
    drift. Each is drawn independently, masked and cut as the log does it, so that without drift a
    window and the reference are draws of one kind.

    Raises:
        BuildError: if no held-out document describes anything that could be asked for.
    """
    if not build.has(SUMMARY):
        asked = questions(held_out(corpora), config.seed, config.reference_requests)
        if not asked:
            raise BuildError(
                f"{', '.join(map(str, corpora))}: no held-out document describes anything to ask for, so there is "
                "nothing to compare requests with; hold out more (quality.split), or set monitor.monitors: []"
            )
        texts = [asked_text(storable(question.text, config)[0]) for question in asked]
        losses = bits_per_byte(champion, texts)
        with build.file(REQUESTS) as path:
            pq.write_table(_table(asked, texts, losses), path)
        documents, kept = sum(map(count_documents, corpora)), sum(1 for _ in held_out(corpora))
        summary = Summary(weights_hash(champion), documents, kept, len(asked), round(float(np.mean(losses)), 4))
        build.write(SUMMARY, json.dumps(asdict(summary), indent=1))
    with build.local(SUMMARY) as path:
        summary = Summary(**json.loads(path.read_text()))
    train = summary.documents - summary.held_out
    funnel = Funnel(summary.documents, summary.held_out, {"train": train} if train else {})
    stats = {**funnel.stats(), "requests": summary.requests, "bits_per_byte": summary.bits_per_byte}
    return Outcome(stats, environment=scoring_environment())


def held_out(corpora: Sequence[Path]) -> Iterator[Document]:
    """The held-out documents of several corpora, streamed."""
    return (document for folder in corpora for document in read_documents(folder) if document.split == "held_out")


def read_reference(folder: Path) -> tuple[Requests, list[str]]:
    """The reference's requests, and the host that each is about."""
    table = pq.read_table(folder / REQUESTS, columns=["text", "host", "bits_per_byte"])
    requests = Requests(table["text"].to_pylist(), table["bits_per_byte"].to_numpy())
    return requests, table["host"].to_pylist()


def check_champion(folder: Path, champion: Path) -> None:
    """Refuse to compare losses under two different models.

    Raises:
        BuildError: if the reference was scored by other weights.
    """
    summary = Summary(**json.loads((folder / SUMMARY).read_text()))
    if summary.champion != weights_hash(champion):
        raise BuildError(f"{folder} was scored by another model than {champion}; make it for this champion")


def weights_hash(champion: Path) -> str:
    """SHA-256 of a checkpoint's weights."""
    with (champion / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scoring_environment() -> dict[str, str | int]:
    """What decides the rounding of losses; it is recorded, and hashed nowhere."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"torch": torch.__version__, "device": device, "threads": torch.get_num_threads()}


def _table(asked: Sequence[Question], texts: Sequence[str], losses: np.ndarray) -> pa.Table:
    statistics = text_statistics(texts)
    return pa.table(
        {
            "text": pa.array(texts, pa.large_string()),
            "document": [question.document for question in asked],
            "url": [question.url for question in asked],
            "host": [question.host for question in asked],
            "bits_per_byte": losses,
            **{name.replace(" ", "_"): statistics[:, place] for place, name in enumerate(STATISTICS)},
        }
    )
