"""What people look at: the plots, curves and sample rows of an artifact, made once for every place that shows them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assets.documents import read_documents
from resources.artifact import Artifact

SAMPLE_CHARACTERS = 160


@dataclass(frozen=True)
class Exhibits:
    """`plots` are PNG bytes by title; `series` are (step, value) curves by name; `samples` rows of a small table."""

    plots: Mapping[str, bytes] = field(default_factory=dict)
    series: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    samples: Sequence[Mapping[str, str]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def document_samples(folder: Path, count: int = 5) -> list[dict[str, str]]:
    """The first documents of an artifact, shortened to be read in a table."""
    documents = (document for document, _ in zip(read_documents(folder), range(count), strict=False))
    return [{"url": d.url, "title": d.title, "text": " ".join(d.text.split())[:SAMPLE_CHARACTERS]} for d in documents]


def training_exhibits(artifact: Artifact) -> Exhibits:
    """The curves of a checkpoint's training, and a plot of its losses."""
    from assets.plots import curve_plot

    curves = loss_curves(artifact.path)
    losses = {name: points for name, points in curves.items() if "loss" in name and points}
    return Exhibits(series=curves, plots={"loss": curve_plot(losses, x="step", y="nats per token")})


def loss_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The columns of a checkpoint's `curve.csv` by name, as (step, value) where there is one."""
    with (folder / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name != "step"]
    return {name: [(int(row["step"]), float(row[name])) for row in rows if row[name]] for name in names}
