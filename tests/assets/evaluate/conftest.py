"""A small corpus of documented functions, its shards, and checkpoints of tiny random models."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from assets.documents import Document, document_id, write_shard
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.evaluate import evaluate
from assets.vocabulary import SPECIAL_TOKENS, Vocabulary
from llm_core.model.checkpoint import save_model
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.store import Store
from tests.llm_core.feed.shard_writer import ShardWriter as TokenWriter

VOCABULARY = 320
CHAT_TEMPLATE = "{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}<|end|>{% endfor %}<|assistant|>"
WORDS = ["array", "value", "axis", "return", "element", "matrix", "compute", "tide", "naïve", "order", "shape", "dtype"]


def page(host: str, number: int, snapshot: str = "2026-01-05", split: str = "held_out") -> Document:
    """A page about one function, its words drawn by its address."""
    draw = random.Random(f"{host} {number}")
    arguments = ", ".join(draw.sample(WORDS, 2 + number % 3))
    prose = "\n\n".join(" ".join(draw.choices(WORDS, k=25)).capitalize() + "." for _ in range(1 + number % 4))
    url = f"http://{host}/{number}.html"
    return Document(
        id=document_id(url, snapshot),
        url=url,
        text=f"# {host.partition('.')[0]}.f{number}({arguments}=None)\n\n{prose}",
        snapshot=snapshot,
        split=split,
    )


@dataclass
class World:
    """Artifacts in folders of their own, and the evaluation run over them."""

    root: Path
    tokenizer: Tokenizer
    config: EvaluateConfig
    shards: list[Path] = field(default_factory=list)
    corpora: list[Path] = field(default_factory=list)
    checkpoints: dict[str, Artifact] = field(default_factory=dict)

    def build(self, name: str, workers: int = 1) -> Build:
        scratch = self.root / "scratch" / name
        scratch.mkdir(parents=True, exist_ok=True)
        return Build(Store(self.root), name, scratch, workers=workers)

    @property
    def tokenizer_folder(self) -> Path:
        return self.root / "tokenizer"

    def add_snapshot(self, documents: Sequence[Document]) -> None:
        """A snapshot's corpus and token shards."""
        name = f"corpus-{len(self.corpora)}"
        write_shard(self.build(name), lambda shard: documents, 0)
        self.corpora.append(self.root / name)
        vocabulary = Vocabulary(self.tokenizer)
        shards = self.root / f"shards-{len(self.shards)}"
        for split in ("train", "held_out"):
            with TokenWriter(shards / split, VOCABULARY) as tokens:
                for document in documents:
                    if document.split == split:
                        tokens.add(document.id, [0, *vocabulary.encode([document.text])[0], 1])
        self.shards.append(shards)

    def checkpoint(self, stage: str, seed: int) -> Artifact:
        """A random model as a checkpoint with its tokenizer."""
        folder = self.root / f"{stage}-{seed}"
        torch.manual_seed(seed)
        save_model(Transformer(tiny_config()).eval(), folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:32]
        return Artifact(
            stage, "2026-01-05", hashlib.sha256(str(folder).encode()).hexdigest()[:32], digest, folder.as_uri()
        )

    def evaluate(self, name: str, champion: Artifact | None = None, workers: int = 1) -> tuple[Path, Outcome]:
        """Run the evaluation into a folder of this name."""
        outcome = evaluate(
            self.build(name, workers),
            self.config,
            candidates=self.checkpoints,
            champion=champion,
            shards=self.shards,
            corpora=self.corpora,
            tokenizer=self.tokenizer_folder,
        )
        return self.root / name, outcome

    def digests(self, folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tiny_config() -> ModelConfig:
    return ModelConfig(
        vocab_size=VOCABULARY, hidden_size=16, layers=1, heads=2, max_positions=128, intermediate_size=32
    )


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A byte-level BPE whose special tokens come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator([page("train.org", number).text for number in range(40)], trainer)
    return tokenizer


@pytest.fixture
def empty_world(tmp_path: Path, tokenizer: Tokenizer) -> World:
    """No snapshot and no checkpoint yet."""
    config = EvaluateConfig(
        context_tokens=96, stride_tokens=32, batch_tokens=512, threads=1, sample_tokens=6, sample_prompts=2
    )
    world = World(tmp_path, tokenizer, config)
    world.tokenizer_folder.mkdir()
    tokenizer.save(str(world.tokenizer_folder / "tokenizer.json"))
    return world


@pytest.fixture
def world(empty_world: World) -> World:
    """One snapshot with two held-out hosts, and two checkpoints."""
    held_out = [page(host, number) for host in ("alpha.org", "www.beta.org") for number in range(6)]
    empty_world.add_snapshot([page("train.org", number, split="train") for number in range(20)] + held_out)
    empty_world.checkpoints = {
        "pretrained_checkpoint": empty_world.checkpoint("pretrained_checkpoint", 1),
        "finetuned": empty_world.checkpoint("finetuned", 2),
    }
    return empty_world
