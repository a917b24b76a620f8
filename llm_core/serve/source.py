"""Where the server's model comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model, as files on this machine."""

    name: str  # that clients ask for
    version: str  # that each answer carries
    folder: Path  # with model.safetensors and config.json
    tokenizer_file: Path  # a ``tokenizers`` file
    chat_template: str | None  # Jinja; None takes the plain one, where the tokenizer has its special tokens
    fingerprint: str  # identity of the content: two versions with one fingerprint answer alike


class ModelSource(Protocol):
    """Says which model version is to be served now; asked again and again, off the event loop."""

    def current(self) -> ModelVersion:
        """The version to serve.

        Raises:
            Exception: whatever keeps it from being known; the server goes on with the version it has, and says so.
        """
        ...
