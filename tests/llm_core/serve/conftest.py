"""Folders with a tiny model and its tokenizer, and real servers on loopback."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_core.model.checkpoint import save_model
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.serve.app import DrainingServer, create_app
from llm_core.serve.config import ServeConfig
from llm_core.serve.models import ModelVersion
from llm_core.serve.record import RequestLog
from tests.llm_core.serve.folder_source import FolderSource

TEXTS = ["the tide mill turns when the tide comes in", "naïve café — 潮汐 🌊", "def mill(tide): return tide * 2"]
SPECIAL = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_model(folder: Path, seed: int, *, context: int = 256) -> Path:
    """Write what FolderSource serves: a random model whose greedy text wanders, and a byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2, "tied": False, "init_std": 0.3}
    model = Transformer(ModelConfig(vocab_size=tokenizer.get_vocab_size(), max_positions=context, **shape))
    with torch.no_grad():
        model.lm_head.weight[: len(SPECIAL)] = 0.0  # rarely the likeliest: texts run on
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@dataclass
class Running:
    """A server in a thread, and how to reach it."""

    address: tuple[str, int]
    server: DrainingServer
    client: httpx.Client
    thread: threading.Thread

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.client.post(path, json=body)

    def complete(self, **body: object) -> dict:
        response = self.post("/v1/completions", **body)
        assert response.status_code == 200, response.text
        return response.json()

    def chat(self, content: str, **body: object) -> dict:
        response = self.post("/v1/chat/completions", messages=[{"role": "user", "content": content}], **body)
        assert response.status_code == 200, response.text
        return response.json()

    def metric(self, sample: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(sample + " ")).rsplit(" ", 1)[1])


@contextmanager
def serving(
    source: "FolderSource | Switch", *, limits: ServeConfig | None = None, log: RequestLog | None = None
) -> Iterator[Running]:
    """Serve on a free loopback port; the socket listens before the server runs, so that clients just wait for it."""
    app = create_app(source.current, limits=limits or ServeConfig(threads=1, poll_interval_s=3600.0), log=log)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    server = DrainingServer(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=60.0) as client:
        client.get("/health")
        server.service.follower.refresh()
        yield Running(address, server, client, thread)
    server.should_exit = True
    thread.join(timeout=30.0)
    assert not thread.is_alive()


class Switch:
    """A source that a test turns from one version to the next."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.error: Exception | None = None

    def current(self) -> ModelVersion:
        if self.error is not None:
            raise self.error
        return self.version


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("serve") / "tide", seed=1)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("serve") / "tide", seed=2)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    """One server that a module's tests share, with the default limits."""
    with serving(FolderSource(folder)) as running:
        yield running


@pytest.fixture
def switch(folder: Path) -> Switch:
    return Switch(FolderSource(folder).current())


Serve = Callable[..., "contextmanager[Running]"]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Start a server of its own: ``with serve(source, limits=…, log=…) as running``."""
    return serving
