"""The registry as the server's source of models: whatever the alias names now."""

from llm_core.serve.source import ModelVersion
from resources.lake import Lake
from resources.registry import find_model


class RegistrySource:
    """Names the checkpoint that a reference (`model:NAME@champion`) resolves to at each call."""

    def __init__(self, lake: Lake, reference: str):
        self.lake, self.reference = lake, reference

    def current(self) -> ModelVersion:
        """The version to serve.

        Raises:
            SpecError: if nothing has that name or alias (yet).
            LakeError: if its checkpoint is gone.
        """
        model = find_model(self.lake, self.reference)
        folder = model.checkpoint.path
        return ModelVersion(
            name=model.name,
            version=str(model.version),
            folder=folder,
            tokenizer_file=folder / "tokenizer.json",
            chat_template=(folder / "chat_template.jinja").read_text(encoding="utf-8"),
            fingerprint=model.checkpoint.fingerprint,
        )
