"""The evaluation: every checkpoint, the champion and the baselines on the same held-out documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from assets.evaluate.baselines import kneser_ney_nats, training_stream, unigram_nats
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOutDocument, read_held_out, tokenized_by
from assets.evaluate.report import (
    CHAMPION,
    DIGITS,
    SAMPLES,
    SCORES,
    SUMMARY,
    UNIGRAM,
    Completion,
    Judged,
    Report,
    measure,
)
from assets.evaluate.samples import Prompt, chat_questions, continuations, sample_lines
from assets.evaluate.scores import Scores
from assets.evaluate.signatures import Question, make_questions
from assets.likelihood import Nats, Tokens, token_nats
from assets.vocabulary import Vocabulary, same_tokenizer
from llm_core.durable import write_whole
from llm_core.model.checkpoint import load_model
from llm_core.model.transformer import Transformer
from resources.artifact import Artifact
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError

CHAT_MODEL = "finetuned"


@dataclass(frozen=True)
class Reading:
    """Sequences of tokens, documents first, and in each the first token that counts."""

    vocab_size: int
    asked: Sequence[Question]
    sequences: Sequence[Tokens]
    begins: Sequence[int]

    @classmethod
    def of(cls, documents: Sequence[HeldOutDocument], vocabulary: Vocabulary, config: EvaluateConfig) -> Reading:
        asked = make_questions(documents, vocabulary, config)
        choices = [(sequence, question.differs) for question in asked for sequence in question.sequences]
        sequences = [*(document.tokens for document in documents), *(sequence for sequence, _ in choices)]
        return cls(vocabulary.size, asked, sequences, [1] * len(documents) + [differs for _, differs in choices])


def evaluate(
    build: Build,
    config: EvaluateConfig,
    *,
    candidates: Mapping[str, Artifact],
    champion: Artifact | None,
    shards: Sequence[Path],
    corpora: Sequence[Path],
    tokenizer: Path,
) -> Outcome:
    """Score all models on the held-out documents of all snapshots, and report it.

    Bits per byte are those of each document read alone after `<|bos|>`: the nats of its own tokens,
    each scored once, over its UTF-8 bytes, so that a champion with a tokenizer of its own can be
    compared. Checkpoints with the same content are scored once.

    Args:
        candidates: checkpoints of this snapshot by name, `config.candidate` among them.
        champion: the checkpoint that the candidate is judged against.
        shards, corpora: folders of token shards and of the documents in them, of all snapshots so far.
        tokenizer: folder with the tokenizer that the shards and the candidates were made with.

    Raises:
        InputError: if no document is held out, or inputs do not belong together.
        BuildError: if a model cannot read the shards' tokens, or its scores are not finite.
    """
    vocabulary = Vocabulary.load(tokenizer)
    documents, unit = read_held_out(shards, corpora, config)
    reading = Reading.of(documents, vocabulary, config)
    checkpoints = {**candidates, **({CHAMPION: champion} if champion else {})}
    kneser_ney = f"kneser_ney_{config.ngram_order}"

    @cache
    def reading_of(name: str) -> Reading:
        if name not in checkpoints or same_tokenizer(folder := checkpoints[name].path, tokenizer):
            return reading
        own = Vocabulary.load(folder)
        return Reading.of(tokenized_by(own, documents), own, config)

    @lru_cache(maxsize=1)
    def load(name: str) -> Transformer:
        return _load(name, checkpoints[name].path, reading_of(name).vocab_size)

    @cache
    def training() -> Tokens:
        return training_stream(shards, most_tokens=config.ngram_train_tokens, seed=config.seed)

    def score(name: str) -> list[Nats]:
        sequences = reading_of(name).sequences
        if name == UNIGRAM:
            return unigram_nats(training(), vocabulary.size, sequences)
        if name == kneser_ney:
            return kneser_ney_nats(training(), vocabulary.size, config.ngram_order, sequences)
        label, all_tokens = f"scoring by {name.replace('_', ' ')}", sum(sequence.size - 1 for sequence in sequences)
        nats = token_nats(
            load(name),
            sequences,
            context=context,
            stride=config.stride_tokens,
            batch_tokens=config.batch_tokens,
            progress=lambda done: build.report(Progress(label, done, all_tokens, "tokens")),
        )
        if not all(np.isfinite(part).all() for part in nats):
            raise BuildError(
                f"{checkpoints[name].path}: {name} scores a document with infinity or NaN; its weights are broken: "
                "train it anew with a lower learning rate"
            )
        return nats

    keys = {name: checkpoint.digest for name, checkpoint in checkpoints.items()}
    keys |= {UNIGRAM: UNIGRAM, kneser_ney: kneser_ney}
    with arithmetic(config.threads):
        context = min(config.context_tokens, *(load(name).config.max_positions for name in checkpoints))
        totals = {n: _totals(build, key, partial(score, n), reading_of(n).begins) for n, key in keys.items()}
        if not build.has(SAMPLES):
            prompts: list[tuple[str, list[Prompt]]]
            prompts = [(config.candidate, continuations(documents, vocabulary, config))]
            if CHAT_MODEL in checkpoints:
                folder = checkpoints[CHAT_MODEL].path
                prompts.append((CHAT_MODEL, chat_questions(documents, vocabulary, folder, config)))
            written = [sample_lines(name, load(name), vocabulary, given, config) for name, given in prompts]
            build.write(SAMPLES, "".join(line for lines in written for line in lines))

    count = len(documents)
    scores = Scores.of(documents, {name: nats[:count] for name, nats in totals.items()})
    with build.file(SCORES) as path:
        scores.write(path)
    report = Report(
        candidate_name=config.candidate,
        candidate=Judged.of(candidates[config.candidate]),
        champion=Judged.of(champion) if champion else None,
        kneser_ney=kneser_ney,
        unit=unit,
        documents=count,
        tokens=sum(scores.column("tokens")),
        bytes=sum(scores.column("bytes")),
        context_tokens=context,
        chance=round(1 / config.completion_choices, DIGITS),
        models=measure(scores, unit, {name: _completion(nats[count:], reading.asked) for name, nats in totals.items()}),
    )
    build.write(SUMMARY, report.to_json())
    completion = report.models[config.candidate].completion
    stats = {
        "candidate": report.candidate_name,
        "documents": report.documents,
        "tokens": report.tokens,
        **{f"bits_per_byte_{name}": result.overall.bits_per_byte for name, result in report.models.items()},
        **({"completion_accuracy": completion.accuracy, "completion_items": completion.items} if completion else {}),
    }
    return Outcome(stats, environment={"torch": torch.__version__, "threads": config.threads})


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Compute with this many threads, and as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load(name: str, checkpoint: Path, vocab_size: int) -> Transformer:
    model = load_model(checkpoint, dtype=torch.float32)
    if model.config.vocab_size < vocab_size:
        raise BuildError(
            f"{checkpoint}: {name} has {model.config.vocab_size} tokens, its tokenizer {vocab_size}; they do not "
            "belong together: run `tidemill verify`"
        )
    return model


def _totals(build: Build, key: str, score: Callable[[], list[Nats]], begins: Sequence[int]) -> Nats:
    """Nats of each sequence from the token on that counts; computed once in this build, also if it is killed."""
    path = build.scratch / f"scores-{key}.npy"
    if not path.exists():
        totals = [part[first - 1 :].sum() for part, first in zip(score(), begins, strict=True)]
        write_whole(path, lambda draft: np.save(draft, totals))
    kept: Nats = np.load(path)
    return kept


def _completion(nats: Nats, asked: Sequence[Question]) -> Completion | None:
    if not asked:
        return None
    rows = nats.reshape(len(asked), -1).tolist()
    return Completion.of(sum(question.is_right(row) for question, row in zip(asked, rows, strict=True)), len(asked))
