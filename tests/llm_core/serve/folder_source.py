"""A folder with a model as the server's source; its version is the digest of the weights."""

import hashlib
from pathlib import Path

from llm_core.serve.models import ModelVersion


class FolderSource:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> ModelVersion:
        digest = hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()
        return ModelVersion(self.folder.name, digest[:12], self.folder, fingerprint=digest)
