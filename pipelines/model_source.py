"""The registry as the server's source of models: whatever the alias names now."""

from dataclasses import dataclass

from llm_core.serve.models import ModelVersion
from resources.lake import Lake
from resources.registry import find_model


@dataclass(frozen=True)
class RegistrySource:
    """Names the checkpoint that a reference (`model:NAME@champion`) resolves to at each call."""

    lake: Lake
    reference: str

    def current(self) -> ModelVersion:
        """The version to serve; raises as `find_model` does while there is none."""
        model = find_model(self.lake, self.reference)
        checkpoint = model.checkpoint
        return ModelVersion(model.name, str(model.version), checkpoint.path, checkpoint.fingerprint)
