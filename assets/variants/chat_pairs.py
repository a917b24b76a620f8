"""Chat pairs made from documents: questions about what they document, with shards that train on the answers alone."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from assets.documents import Document, count_documents, read_documents, shard_names
from assets.questions import phrase
from assets.token_files import SPLITS, put_index, put_shard, recall, remember
from assets.variants.answers import Answer, answers
from assets.variants.chat_config import ChatConfig
from assets.vocabulary import TEMPLATE_FILE, Vocabulary
from llm_core.feed.shards import ShardEntry, TokenDocument
from resources.build import Build, Outcome
from resources.compute import run_tasks
from resources.errors import InputError

COUNTED = ("pairs", "tokens", "targets")


@dataclass(frozen=True, slots=True)
class ChatPair:
    """A question, its answer, and the page whose words answer it."""

    question: str
    answer: str
    document: str
    url: str
    split: str


def make_chat_pairs(build: Build, config: ChatConfig, corpus: Path, tokenizer: Path) -> Outcome:
    """Fill the build with `pairs/NNNNN.jsonl`, and with token shards of the same pairs in `train/` and `held_out/`.

    A pair's tokens are those of the chat template's text, its targets the answer and `<|end|>`; its
    span bears the id of its document. Documents are `dropped` that document nothing (`no_object`)
    or whose objects have no usable answer (`no_answer`); there may be no pair at all.

    Raises:
        InputError: if a document has no split.
    """
    shards = shard_names(corpus)
    run_tasks(build, "make chat pairs", len(shards), partial(_write_shard, build, config, tokenizer, shards))
    counted = [recall(build, number) or {} for number in range(len(shards))]
    vocab_size = Vocabulary.load(tokenizer).size
    for split in SPLITS:
        entries = [
            ShardEntry(f"{number:05d}", found[split]["tokens"], found[split]["pairs"])
            for number, found in enumerate(counted)
        ]
        put_index(build, split, entries, vocab_size, has_loss=True)
    documents, objects = _sum(counted, "documents"), _sum(counted, "objects")
    return Outcome(
        {
            "entered": count_documents(corpus),
            "kept": documents.pop("kept", 0),
            "dropped": dict(sorted(documents.items())),
            "objects": dict(sorted(objects.items())),
            **{split: {name: _sum(counted, split)[name] for name in COUNTED} for split in SPLITS},
        }
    )


def read_pairs(folder: Path) -> Iterator[ChatPair]:
    """The pairs of an artifact, in order."""
    for path in sorted((folder / "pairs").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (ChatPair(**json.loads(line)) for line in lines)


def _write_shard(build: Build, config: ChatConfig, tokenizer: Path, shards: list[Path], number: int) -> None:
    if recall(build, number) is not None:
        return
    documents: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    with build.file(f"pairs/{number:05}.jsonl") as path, path.open("w", encoding="utf-8") as file:
        for document in read_documents([shards[number]]):
            pairs = _pairs(document, config, objects)
            documents[pairs if isinstance(pairs, str) else "kept"] += 1
            for pair in pairs if not isinstance(pairs, str) else ():
                file.write(json.dumps(asdict(pair), ensure_ascii=False) + "\n")
    counts: dict[str, dict[str, int]] = {"documents": dict(documents), "objects": dict(objects)}
    chat = _Renderer.load(tokenizer)
    with build.local(f"pairs/{number:05}.jsonl") as path:
        for split in SPLITS:
            counts[split] = dict.fromkeys(COUNTED, 0)
            put_shard(build, split, number, _encoded(path, split, chat, counts[split]), chat.vocabulary.size)
    remember(build, number, counts)


def _pairs(document: Document, config: ChatConfig, objects: Counter[str]) -> list[ChatPair] | str:
    """A document's pairs, or why it has none; what became of its objects is counted."""
    if document.split not in SPLITS:
        raise InputError(
            f"document {document.id} ({document.url}) has the split {document.split!r}, not one of "
            f"{', '.join(SPLITS)}; pass the corpus through the quality stage first"
        )
    found = list(answers(document, config))
    objects.update("paired" if isinstance(answer, Answer) else answer for answer in found)
    pairs = []
    for answer in found:
        if isinstance(answer, Answer):
            draw = random.Random(f"{config.seed} {document.id} {answer.subject.name}")
            question = phrase(answer.subject, draw)
            pairs.append(ChatPair(question, answer.text, document.id, document.url, document.split))
    return pairs or ("no_answer" if found else "no_object")


@dataclass(frozen=True)
class _Renderer:
    """Conversations as tokens."""

    vocabulary: Vocabulary
    template: Template

    @classmethod
    def load(cls, folder: Path) -> _Renderer:
        source = (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
        return cls(Vocabulary.load(folder), ImmutableSandboxedEnvironment().from_string(source))

    def tokens(self, pair: ChatPair) -> tuple[list[int], list[int]]:
        """A pair's ids as the template renders it, and which of them are targets: the answer's, and its end."""
        question = {"role": "user", "content": pair.question}
        answer = {"role": "assistant", "content": pair.answer}
        asked = self.template.render(messages=[question], add_generation_prompt=True)
        whole = self.template.render(messages=[question, answer], add_generation_prompt=False)
        # The prompt ends with a special token, and no merge crosses one: both halves encode as they do together.
        before, targets = (self.vocabulary.encode_rendered(part) for part in (asked, whole[len(asked) :]))
        return before + targets, [0] * len(before) + [1] * len(targets)


def _encoded(pairs: Path, split: str, chat: _Renderer, counts: dict[str, int]) -> Iterator[TokenDocument]:
    with pairs.open(encoding="utf-8") as lines:
        for pair in (ChatPair(**json.loads(line)) for line in lines):
            if pair.split == split:
                tokens, loss = chat.tokens(pair)
                for name, count in zip(COUNTED, (1, len(tokens), sum(loss)), strict=True):
                    counts[name] += count
                yield TokenDocument(pair.document, tokens, loss)


def _sum(counted: list[dict[str, dict[str, int]]], name: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in counted:
        total.update(counts[name])
    return total
