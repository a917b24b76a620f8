"""Which drift reports speak of a model: a lake may hold those of several."""

from resources.artifact import Artifact
from resources.journal import State
from resources.lake import Lake


def drift_reports(lake: Lake, registry: State) -> list[Artifact]:
    """The drift reports about a model's versions, the newest of each window, oldest window first."""
    newest: dict[str, Artifact] = {}
    for artifact in sorted(lake.artifacts("drift_report"), key=lake.age_key):
        if set(artifact.parents) & set(registry.versions):
            newest[artifact.partition or ""] = artifact
    return [newest[window] for window in sorted(newest)]
