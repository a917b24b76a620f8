"""Real requests of two subjects, from the docstrings of installed packages, and a small champion that knows one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from assets.crawl.web.docstrings import parse_module
from assets.documents import Document, write_shard
from assets.monitor.config import MonitorConfig
from assets.monitor.request_log import FileRequestLog
from assets.questions import documented_objects, phrase
from assets.vocabulary import SPECIAL_TOKENS
from llm_core.model.checkpoint import save_model
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.serve.record import RequestRecord
from resources.build import Build
from resources.store import Store

SNAPSHOT = "2026-01-05"
IN_DOMAIN = ("twisted", "mlflow")
SHIFTED = ("scipy", "sympy")
LARGEST = 200_000  # bytes of a source file; parsing the few larger ones takes as long as all others


@dataclass(frozen=True)
class Library:
    """Documents about software for services, and about mathematics."""

    in_domain: Sequence[Document]
    shifted: Sequence[Document]


def read_package(name: str, most: int) -> list[Document]:
    """A package's documented objects, parsed statically: one document each."""
    found: list[Document] = []
    root = Path(find_spec(name).origin).parent
    for path in sorted(root.rglob("*.py")):
        if "tests" in path.parts or "test" in path.parts or path.stat().st_size > LARGEST or len(found) >= most:
            continue
        module = ".".join((name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        for item in parse_module(path.read_bytes(), module, minimum=120):
            full = f"{module}.{item.name}" if item.name else module
            found.append(
                Document(
                    id=full,
                    url=f"http://{name}.test/{full}",
                    text=f"# {full}{item.signature}\n\n{item.docstring.strip()}",
                    snapshot=SNAPSHOT,
                    title=full,
                )
            )
    return found[:most]


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(
        [document for name in IN_DOMAIN for document in read_package(name, most=3200)],
        [document for name in SHIFTED for document in read_package(name, most=150)],
    )


def ask_each(documents: Sequence[Document], seed: int) -> list[str]:
    """One question about each document, in random order."""
    draw = random.Random(seed)
    asked = [phrase(draw.choice(found), draw) for document in documents if (found := documented_objects(document))]
    draw.shuffle(asked)
    return asked


@pytest.fixture(scope="session")
def champion(library, tmp_path_factory) -> Path:
    """A checkpoint of a small model that was trained for a moment on in-domain text."""
    return make_champion(tmp_path_factory.mktemp("champion"), library.in_domain, seed=0)


def make_champion(folder: Path, documents: Sequence[Document], seed: int, steps: int = 40) -> Path:
    texts = [document.text for document in documents[:: max(1, len(documents) // 400)]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    stream = torch.tensor([i for encoding in tokenizer.encode_batch(texts) for i in encoding.ids])
    torch.manual_seed(seed)
    model = Transformer(ModelConfig(vocab_size=512, hidden_size=32, layers=1, heads=2, max_positions=128))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        starts = torch.randint(len(stream) - 65, (16, 1))
        rows = stream[starts + torch.arange(65)]
        loss = torch.nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_model(model, folder)
    return folder


@pytest.fixture
def make_build(tmp_path):
    """A build in a folder of its own, by name."""

    def make(name: str, workers: int = 1) -> Build:
        scratch = tmp_path / "scratch" / name
        scratch.mkdir(parents=True, exist_ok=True)
        return Build(Store(tmp_path / "lake"), name, scratch, workers=workers)

    return make


@pytest.fixture
def folder_of(tmp_path):
    return lambda build: tmp_path / "lake" / build.folder


def record(prompt: str, number: int = 0, **changes: Any) -> RequestRecord:
    """An answer as the server tells of it."""
    given = RequestRecord(
        id=f"cmpl-{number:04}",
        index=0,
        time_s=1_767_600_000.0 + number,
        model_name="tide",
        model_version="3",
        fingerprint="f00d",
        endpoint="/v1/completions",
        prompt=prompt,
        completion="an answer",
        prompt_tokens=7,
        completion_tokens=2,
        prompt_logprob=-2.5,
        finish_reason="stop",
        status=200,
        latency_s=0.25,
    )
    return replace(given, **changes)


def write_log(folder: Path, prompts: Sequence[str], config: MonitorConfig, **changes: Any) -> None:
    """A request log of these prompts."""
    log = FileRequestLog(config, folder)
    for number, prompt in enumerate(prompts):
        log(record(prompt, number, **changes))


def write_corpus(build: Build, documents: Sequence[Document], held_out: int) -> None:
    """A corpus in two shards, of which the last `held_out` documents are held out."""
    marked = [
        replace(document, split="held_out" if place >= len(documents) - held_out else "train")
        for place, document in enumerate(documents)
    ]
    for shard in range(2):
        write_shard(build, lambda shard: marked[shard::2], shard)
