"""Chat pairs made from documents: questions about what they document, with shards that train on the answers alone."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from assets.documents import Document, count_documents, read_documents, shard_names
from assets.questions import phrase
from assets.token_files import SPLITS, put_index, put_shard, recall, remember
from assets.variants.answers import Answer, answers
from assets.variants.chat_config import ChatConfig
from assets.vocabulary import SPECIAL_TOKENS, TEMPLATE_FILE, Vocabulary
from llm_core.feed.shards import ShardEntry, TokenDocument
from llm_core.serve.chat_template import ChatTemplate, Message
from resources.build import Build, Outcome
from resources.compute import run_tasks
from resources.errors import InputError


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
    documents = _sum(counted, "documents")
    return Outcome(
        {
            "entered": count_documents(corpus),
            "kept": documents.pop("kept", 0),
            "dropped": documents,
            "objects": _sum(counted, "objects"),
            **{split: {"pairs": 0, "tokens": 0, "targets": 0} | _sum(counted, split) for split in SPLITS},
        }
    )


def _write_shard(build: Build, config: ChatConfig, tokenizer: Path, shards: list[Path], number: int) -> None:
    if recall(build, number) is not None:
        return
    documents: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    pairs: list[ChatPair] = []
    for document in read_documents([shards[number]]):
        found = _pairs(document, config, objects)
        documents["kept" if found else "no_answer" if found is not None else "no_object"] += 1
        pairs += found or []
    build.write(
        f"pairs/{number:05}.jsonl", "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
    )
    vocabulary = Vocabulary.load(tokenizer)
    template = ChatTemplate((tokenizer / TEMPLATE_FILE).read_text(encoding="utf-8"), SPECIAL_TOKENS)
    counts: dict[str, Mapping[str, int]] = {"documents": documents, "objects": objects}
    for split in SPLITS:
        encoded = [_encode(pair, vocabulary, template) for pair in pairs if pair.split == split]
        put_shard(build, split, number, encoded, vocabulary.size)
        counts[split] = {
            "pairs": len(encoded),
            "tokens": sum(len(document.tokens) for document in encoded),
            "targets": sum(sum(document.loss or ()) for document in encoded),
        }
    remember(build, number, counts)


def _pairs(document: Document, config: ChatConfig, objects: Counter[str]) -> list[ChatPair] | None:
    """A document's pairs; None where it documents nothing. What became of its objects is counted."""
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
    return pairs if found else None


def _encode(pair: ChatPair, vocabulary: Vocabulary, template: ChatTemplate) -> TokenDocument:
    """A pair as the template renders it; its targets are the answer's tokens, and its end."""
    question = Message("user", pair.question)
    asked = template.render([question])
    whole = template.render([question, Message("assistant", pair.answer)], answers_next=False)
    # The prompt ends with a special token, and no merge crosses one: both halves encode as they do together.
    before, targets = (vocabulary.encode_rendered(part) for part in (asked, whole[len(asked) :]))
    return TokenDocument(pair.document, before + targets, [0] * len(before) + [1] * len(targets))


def _sum(counted: Sequence[Mapping[str, Mapping[str, int]]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in counted:
        total.update(counts[name])
    return dict(sorted(total.items()))
