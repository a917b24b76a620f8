"""The model that is served: where it comes from, how it is read, and how the server follows it to the next version."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from llm_core.generate.engine import Engine, EngineConfig, EngineStats
from llm_core.generate.request import GenerationError
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.checkpoint import load_model
from llm_core.serve.chat_template import ChatTemplate
from llm_core.serve.config import ServeConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model, as files on this machine."""

    name: str  # that clients ask for
    version: str  # that each answer carries
    folder: Path  # with model.safetensors, config.json, tokenizer.json and chat_template.jinja
    fingerprint: str  # identity of the content: two versions with one fingerprint answer alike


ModelSource = Callable[[], ModelVersion]
"""Says which version is to be served now; asked again and again, on a thread of its own. While it raises, the server
goes on with the version it has, and says so."""


@dataclass(frozen=True)
class LoadedModel:
    """A version in memory, with an engine of its own."""

    version: ModelVersion
    engine: Engine
    chat: ChatTemplate

    @property
    def vocabulary(self) -> TokenBytes:
        return self.engine.vocabulary

    def encode(self, text: str, *, is_templated: bool = False) -> tuple[int, ...]:
        """Token ids of a text; a template has written its special tokens already."""
        return tuple(self.vocabulary.tokenizer.encode(text, add_special_tokens=not is_templated).ids)


def load(version: ModelVersion, config: ServeConfig, stats: EngineStats) -> LoadedModel:
    """Read a version's files, and try a forward pass: a model that answers nonsense numbers is not served.

    Raises:
        GenerationError: if weights and tokenizer do not fit, or the model's scores are not finite.
        Exception: as the readers of the files raise them.
    """
    transformer = load_model(version.folder, device=config.device)
    tokenizer = Tokenizer.from_file(str(version.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vocabulary, size = TokenBytes(tokenizer), transformer.config.vocab_size
    if len(vocabulary.bytes) > size:
        raise GenerationError(
            f"the tokenizer in {version.folder} has {len(vocabulary.bytes)} tokens and the model {size}: "
            "they are not of one training; give the tokenizer that the model was trained with"
        )
    with torch.inference_mode():
        logits = transformer(torch.arange(min(size, transformer.config.max_positions, 8), device=config.device)[None])
    if not bool(torch.isfinite(logits).all()):
        what = f"the model in {version.folder} scores tokens with infinities or NaN: its weights are broken"
        raise GenerationError(what)
    engine = Engine(transformer, vocabulary, EngineConfig(slots=config.slots), stats)
    template = (version.folder / "chat_template.jinja").read_text(encoding="utf-8")
    return LoadedModel(version, engine, ChatTemplate(template, vocabulary.special))


class Follower:
    """Polls a source on a thread of its own, loads a new version beside the old one, and takes it when it is ready.

    A version that fails to load leaves the one before in place; what went wrong is in ``error`` until a load succeeds.
    """

    def __init__(self, source: ModelSource, load: Callable[[ModelVersion], LoadedModel], interval_s: float) -> None:
        self.loaded: LoadedModel | None = None
        self.error: str | None = None
        self.failures = 0
        self._source, self._load, self._interval_s = source, load, interval_s
        self._refreshing = threading.Lock()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Ask the source once, and take what it has; returns when the new version (if any) is in place."""
        with self._refreshing:
            what = "the model source does not answer"
            try:
                version = self._source()
                if self.loaded is None or version != self.loaded.version:
                    what = f"{version.name} version {version.version} does not load"
                    self.loaded = self._load(version)
                    logger.info("serving %s version %s", version.name, version.version)
                self.error = None
            except Exception as error:  # the source is the caller's code, and readers of damaged files raise anything
                self.failures += 1
                before, self.error = self.error, f"{what}: {type(error).__name__}: {error}"
                if self.error != before:
                    logger.error("%s; %s", self.error, "the version before serves on" if self.loaded else "none yet")

    def _run(self) -> None:
        self.refresh()
        while not self._is_closing.wait(self._interval_s):
            self.refresh()
