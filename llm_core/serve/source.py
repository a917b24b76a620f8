"""Where the server's model comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from llm_core.errors import LLMCoreError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
CHAT_TEMPLATE = "chat_template.jinja"


class SourceError(LLMCoreError):
    """No model version can be named at the moment; the message says why."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model, as files on this machine."""

    name: str
    """Name that clients ask for."""
    version: str
    """Version that each answer carries."""
    folder: Path
    """Folder with model.safetensors and config.json."""
    tokenizer_file: Path
    """The model's tokenizer, a ``tokenizers`` file."""
    chat_template: str | None
    """Jinja template of a conversation; None takes the plain one, where the tokenizer has its special tokens."""
    fingerprint: str
    """Identity of the content: two versions with one fingerprint answer alike."""


class ModelSource(Protocol):
    """Says which model version is to be served now; asked again and again, off the event loop."""

    def current(self) -> ModelVersion:
        """The version to serve.

        Raises:
            Exception: whatever keeps it from being known; the server goes on with the version it has, and says so.
        """
        ...


class FolderSource:
    """Serves one folder: model.safetensors, config.json, tokenizer.json and, for chat, chat_template.jinja.

    Its version is the digest of these files; when they are replaced, the server follows.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder = folder
        self.name = name or folder.resolve().name
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._current: ModelVersion | None = None

    def current(self) -> ModelVersion:
        """The folder as it is now; its files are read again only where size or modification time changed.

        Raises:
            SourceError: if a file is missing.
        """
        paths = [self.folder / name for name in (WEIGHTS, CONFIG, TOKENIZER)]
        for path in paths:
            if not path.is_file():
                raise SourceError(f"{path} is missing: give a folder with {WEIGHTS}, {CONFIG} and {TOKENIZER}")
        template = self.folder / CHAT_TEMPLATE
        if template.is_file():
            paths.append(template)
        seen = tuple((path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths)
        if self._current is None or seen != self._seen:
            digest = hashlib.blake2b(digest_size=16)
            for path in paths:
                with path.open("rb") as file:
                    digest.update(f"{path.name}:{hashlib.file_digest(file, 'blake2b').hexdigest()};".encode())
            self._current = ModelVersion(
                name=self.name,
                version=digest.hexdigest()[:12],
                folder=self.folder,
                tokenizer_file=self.folder / TOKENIZER,
                chat_template=template.read_text(encoding="utf-8") if template in paths else None,
                fingerprint=digest.hexdigest(),
            )
            self._seen = seen
        return self._current
