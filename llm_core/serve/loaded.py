"""A model version in memory, ready to answer."""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from llm_core.errors import LLMCoreError
from llm_core.generate.lane import EngineModel
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.checkpoint import load_model
from llm_core.serve.chat_template import ChatTemplate
from llm_core.serve.source import ModelVersion


class LoadError(LLMCoreError):
    """A model version that cannot be served; the message says what is wrong with it."""


@dataclass(frozen=True)
class LoadedModel:
    """Everything that an answer needs, of one version: weights, tokenizer, template."""

    version: ModelVersion
    engine_model: EngineModel  # its weights and token bytes, as the engine takes them
    tokenizer: Tokenizer
    chat: ChatTemplate

    @property
    def vocabulary(self) -> TokenBytes:
        return self.engine_model.vocabulary

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and completion together."""
        return self.engine_model.context_tokens

    def encode(self, text: str, *, is_templated: bool = False) -> tuple[int, ...]:
        """Token ids of a text; a template has written its special tokens already."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=not is_templated).ids)


def load(version: ModelVersion, device: str) -> LoadedModel:
    """Read a version's files, and try a forward pass: a model that answers nonsense numbers is not served.

    Raises:
        LoadError: if weights and tokenizer do not fit, or the model's scores are not finite.
        Exception: as the readers of the files raise them.
    """
    transformer = load_model(version.folder, device=device)
    tokenizer = Tokenizer.from_file(str(version.tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vocabulary = TokenBytes(tokenizer)
    size = transformer.config.vocab_size
    if len(vocabulary.bytes) > size:
        raise LoadError(
            f"{version.tokenizer_file} has {len(vocabulary.bytes)} tokens and the model in {version.folder} {size}: "
            "they are not of one training; give the tokenizer that the model was trained with"
        )
    with torch.inference_mode():
        logits = transformer(torch.arange(min(size, transformer.config.max_positions, 8), device=device)[None])
    if not bool(torch.isfinite(logits).all()):
        raise LoadError(f"the model in {version.folder} scores tokens with infinities or NaN: its weights are broken")
    chat = ChatTemplate(version.chat_template, tuple(vocabulary.special))
    return LoadedModel(version, EngineModel(version.version, transformer, vocabulary), tokenizer, chat)
