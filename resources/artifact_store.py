"""Dagster's IO manager for artifacts: the small value is stored as JSON, the data stays in the lake."""

import json
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from resources.artifact import Artifact
from resources.store import write_whole


class ArtifactStore(dg.IOManager):
    """Remembers which artifact each asset's partition last was, under a folder of the home.

    An input is always a map from partition to artifact: partitions that were never made are not in it.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        self.remember(context.asset_key.path, context.partition_key, obj)

    def remember(self, asset: Sequence[str], partition: str, artifact: Artifact) -> None:
        """Set what an asset's partition is."""
        write_whole(self._path(asset, partition), json.dumps(artifact.to_json()).encode())

    def load_input(self, context: dg.InputContext) -> dict[str, Artifact]:
        paths = {key: self._path(context.asset_key.path, key) for key in context.asset_partition_keys}
        return {key: Artifact.from_json(json.loads(path.read_text())) for key, path in paths.items() if path.exists()}

    def _path(self, asset: Sequence[str], partition: str) -> Path:
        return self.folder.joinpath(*asset, f"{partition}.json")
