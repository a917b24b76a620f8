"""The evaluation: every checkpoint, the champion and the baselines on the same held-out documents."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from assets.evaluate import scoring
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOut, read_held_out
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
from assets.evaluate.samples import Prompt, continuations, questions, write_samples
from assets.evaluate.scores import Nats, Scores
from assets.evaluate.signatures import Question, make_questions
from assets.evaluate.token_stream import TokenStream, training_stream, with_start
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model
from llm_core.model.transformer import Transformer
from resources.artifact import Artifact
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError

CHAT_MODEL = "finetuned"


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

    Bits per byte are those of each document read alone after the start token: the nats of its own
    tokens, each scored once, over its UTF-8 bytes. Checkpoints with the same content are scored once.

    Args:
        candidates: checkpoints of this snapshot by name, `config.candidate` among them.
        champion: the checkpoint that the candidate is judged against.
        shards, corpora: folders of token shards and of the documents in them, of all snapshots so far.
        tokenizer: folder with the `tokenizer.json` that the shards were made with.

    Raises:
        InputError: if no document is held out, or inputs do not belong together.
        BuildError: if a model cannot read the shards' tokens, or its scores are not finite.
    """
    bpe = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    specials = frozenset(number for number, token in bpe.get_added_tokens_decoder().items() if token.special)
    held_out = read_held_out(shards, corpora, specials, config)
    asked = make_questions(held_out, bpe, config)
    items = [(with_start(held_out.start, document.tokens), 1) for document in held_out.documents]
    items += [(sequence, question.differs) for question in asked for sequence in question.sequences]
    vocab_size = Shards(shards[-1] / "train").vocab_size
    models = _Models({**candidates, **({CHAMPION: champion} if champion else {})}, vocab_size)

    def totals_by(score: scoring.Scorer) -> Nats:
        """Nats of each item, from the token on that it counts from."""
        nats = score([sequence for sequence, _ in items])
        return np.array([part[first - 1 :].sum() for part, (_, first) in zip(nats, items, strict=True)])

    def decoder_totals(name: str) -> Nats:
        label, all_tokens = f"scoring by {name.replace('_', ' ')}", sum(sequence.size - 1 for sequence, _ in items)

        def progress(done: int) -> None:
            build.report(Progress(label, done, all_tokens, "tokens"))

        totals = totals_by(scoring.decoder(models.load(name), config, context, progress))
        if not np.isfinite(totals).all():
            raise BuildError(
                f"{models.checkpoints[name].path}: {name} scores a document with infinity or NaN; its weights are "
                "broken: train it anew with a lower learning rate"
            )
        return totals

    @cache
    def stream() -> TokenStream:
        return training_stream(
            shards, held_out.start, specials, most_tokens=config.ngram_train_tokens, seed=config.seed
        )

    def baseline_totals(name: str) -> Nats:
        if name == UNIGRAM:
            return totals_by(scoring.unigram(stream(), vocab_size))
        return totals_by(scoring.kneser_ney(stream(), vocab_size, config.ngram_order))

    kneser_ney = f"kneser_ney_{config.ngram_order}"
    with scoring.arithmetic(config.threads):
        context = min(config.context_tokens, *(models.load(name).config.max_positions for name in models.checkpoints))
        totals = {
            name: _kept(build, checkpoint.digest, partial(decoder_totals, name))
            for name, checkpoint in models.checkpoints.items()
        }
        totals |= {name: _kept(build, name, partial(baseline_totals, name)) for name in (UNIGRAM, kneser_ney)}
        if not build.has(SAMPLES):
            _write_samples(build, config, models, held_out, bpe)

    count = len(held_out.documents)
    scores = Scores.of(held_out.documents, {name: nats[:count] for name, nats in totals.items()})
    with build.file(SCORES) as path:
        scores.write(path)
    report = Report(
        candidate_name=config.candidate,
        candidate=Judged.of(candidates[config.candidate]),
        champion=Judged.of(champion) if champion else None,
        kneser_ney=kneser_ney,
        unit=held_out.unit,
        documents=count,
        tokens=sum(scores.column("tokens")),
        bytes=sum(scores.column("bytes")),
        context_tokens=context,
        chance=round(1 / config.completion_choices, DIGITS),
        models=measure(
            scores, held_out.unit, {name: _completion(nats[count:], asked) for name, nats in totals.items()}
        ),
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


class _Models:
    """Checkpoints by name; the last one used stays in memory."""

    def __init__(self, checkpoints: Mapping[str, Artifact], vocab_size: int):
        self.checkpoints, self.vocab_size = checkpoints, vocab_size
        self._loaded: tuple[str, Transformer] | None = None

    def load(self, name: str) -> Transformer:
        artifact = self.checkpoints[name]
        if self._loaded is None or self._loaded[0] != artifact.digest:
            self._loaded = artifact.digest, load_model(artifact.path, dtype=torch.float32)
        model = self._loaded[1]
        if model.config.vocab_size < self.vocab_size:
            raise BuildError(
                f"{artifact.path}: {name} has {model.config.vocab_size} tokens, the shards {self.vocab_size}; "
                "they are not of one tokenizer: make the shards and the model anew"
            )
        return model


def _kept(build: Build, key: str, compute: Callable[[], Nats]) -> Nats:
    """Computed once in this build, also if it is killed and goes on."""
    path = build.scratch / f"scores-{key}.npy"
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        np.save(draft, compute())
        os.replace(draft, path)
    kept: Nats = np.load(path)
    return kept


def _write_samples(build: Build, config: EvaluateConfig, models: _Models, held_out: HeldOut, bpe: Tokenizer) -> None:
    asked: list[tuple[str, list[Prompt]]] = [(config.candidate, continuations(held_out, bpe, config))]
    chat = models.checkpoints.get(CHAT_MODEL)
    if chat is not None:
        asked.append((CHAT_MODEL, questions(held_out, chat.path, config)))
    lines = [
        json.dumps(asdict(sample), ensure_ascii=False) + "\n"
        for name, prompts in asked
        for sample in write_samples(name, models.load(name), bpe, prompts, config)
    ]
    build.write(SAMPLES, "".join(lines))


def _completion(nats: Nats, asked: Sequence[Question]) -> Completion | None:
    if not asked:
        return None
    rows = nats.reshape(len(asked), -1).tolist()
    return Completion.of(sum(question.is_right(row) for question, row in zip(asked, rows, strict=True)), len(asked))
