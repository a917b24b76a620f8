"""A folder with a model as the server's source; its version is the digest of the weights."""

import hashlib
from pathlib import Path

from llm_core.serve.source import ModelVersion


class FolderSource:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> ModelVersion:
        digest = hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()
        template = (self.folder / "chat_template.jinja").read_text()
        return ModelVersion(
            name=self.folder.name,
            version=digest[:12],
            folder=self.folder,
            tokenizer_file=self.folder / "tokenizer.json",
            chat_template=template,
            fingerprint=digest,
        )
