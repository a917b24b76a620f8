"""The check that nothing is lost: what entered a stage is what it kept and what it dropped, by reason."""

from collections.abc import Callable
from pathlib import Path

from assets.exhibits import Exhibits, document_samples
from assets.stage import Check, Finding, Inputs
from resources.artifact import Artifact


def accounting_closes(parent: str | None) -> dict[str, Check]:
    """The blocking check of a document stage; `parent` names the asset whose kept documents it takes."""

    def check(artifact: Artifact, inputs: Inputs) -> Finding:
        entered, kept = int(artifact.stats["entered"]), int(artifact.stats["kept"])
        dropped = sum(artifact.stats["dropped"].values())
        given = entered if parent is None else int(inputs.one(parent).stats["kept"])
        detail = f"{given} given, {entered} entered = {kept} kept + {dropped} dropped"
        return Finding(given == entered == kept + dropped, detail)

    return {"accounting_closes": check}


def funnel_exhibits(artifact: Artifact, samples: Callable[[Path], list[dict[str, str]]] = document_samples) -> Exhibits:
    """What a document stage kept and dropped, as bars, and some of what it kept."""
    from assets.plots import bar_plot

    bars = {"kept": float(artifact.stats["kept"]), **{k: float(v) for k, v in artifact.stats["dropped"].items()}}
    return Exhibits(plots={"funnel": bar_plot(bars, x="documents")}, samples=samples(artifact.path))
