"""The evaluation: every checkpoint, the champion and the baselines on the same held-out documents."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from assets.evaluate import scoring
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOut, Tokens, read_held_out
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
from assets.evaluate.scores import Scores
from assets.evaluate.scoring import Scorer
from assets.evaluate.signatures import Question, make_questions
from assets.evaluate.token_stream import training_stream, with_start
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model
from llm_core.model.transformer import Transformer
from resources.artifact import Artifact
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError

CHAT_MODEL = "finetuned"


@dataclass(frozen=True)
class _Asked:
    """All sequences that a model scores: the documents', then the questions' choices; nats count from `scored` on."""

    sequences: tuple[Tokens, ...]
    scored: tuple[int, ...]

    @classmethod
    def of(cls, held_out: HeldOut, asked: Sequence[Question]) -> _Asked:
        documents = [with_start(held_out.start, document.tokens) for document in held_out.documents]
        choices = [(sequence, question.differs) for question in asked for sequence in question.sequences]
        return cls(
            (*documents, *(sequence for sequence, _ in choices)),
            (*(1 for _ in documents), *(differs for _, differs in choices)),
        )

    @property
    def tokens(self) -> int:
        return sum(sequence.size - 1 for sequence in self.sequences)

    def total(self, score: Scorer) -> npt.NDArray[np.float64]:
        nats = score(self.sequences)
        return np.array([part[first - 1 :].sum() for part, first in zip(nats, self.scored, strict=True)])


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
    asked_questions = make_questions(held_out, bpe, config)
    asked = _Asked.of(held_out, asked_questions)
    checkpoints = {**candidates, **({CHAMPION: champion} if champion else {})}
    vocab_size = Shards(shards[-1] / "train").vocab_size
    with scoring.arithmetic(config.threads):
        models = _Models(checkpoints, vocab_size)
        context = min(config.context_tokens, *(models.load(name).config.max_positions for name in checkpoints))
        totals = {name: _model_totals(build, config, models, name, asked, context) for name in checkpoints}
        kneser_ney = f"kneser_ney_{config.ngram_order}"
        if not all(_scratch(build, name).exists() for name in (UNIGRAM, kneser_ney)):
            stream = training_stream(
                shards, held_out.start, specials, most_tokens=config.ngram_train_tokens, seed=config.seed
            )
            _kept(build, UNIGRAM, lambda: asked.total(scoring.unigram(stream, vocab_size)))
            _kept(build, kneser_ney, lambda: asked.total(scoring.kneser_ney(stream, vocab_size, config.ngram_order)))
        totals |= {name: np.load(_scratch(build, name)) for name in (UNIGRAM, kneser_ney)}
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
        tokens=int(scores.tokens.sum()),
        bytes=int(scores.sizes.sum()),
        context_tokens=context,
        chance=round(1 / config.completion_choices, DIGITS),
        models=measure(
            scores,
            held_out.unit,
            {name: _completion(nats[count:], asked_questions) for name, nats in totals.items()},
        ),
    )
    build.write(SUMMARY, report.to_json())
    return Outcome(_stats(report), environment={"torch": torch.__version__, "threads": config.threads})


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


def _model_totals(
    build: Build, config: EvaluateConfig, models: _Models, name: str, asked: _Asked, context: int
) -> npt.NDArray[np.float64]:
    done = 0

    def progress(tokens: int) -> None:
        nonlocal done
        done += tokens
        build.report(Progress(f"scoring by {name.replace('_', ' ')}", done, asked.tokens, "tokens"))

    def compute() -> npt.NDArray[np.float64]:
        return asked.total(scoring.decoder(models.load(name), config, context, progress))

    totals = _kept(build, models.checkpoints[name].digest, compute)
    if not np.isfinite(totals).all():
        raise BuildError(
            f"{models.checkpoints[name].path}: {name} scores a document with infinity or NaN; its weights are broken: "
            "train it anew with a lower learning rate"
        )
    return totals


def _kept(build: Build, key: str, compute: Callable[[], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Computed once in this build, also if it is killed and goes on."""
    path = _scratch(build, key)
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        np.save(draft, compute())
        os.replace(draft, path)
    kept: npt.NDArray[np.float64] = np.load(path)
    return kept


def _scratch(build: Build, key: str) -> Path:
    return build.scratch / f"scores-{key}.npy"


def _write_samples(build: Build, config: EvaluateConfig, models: _Models, held_out: HeldOut, bpe: Tokenizer) -> None:
    asked: list[tuple[str, list[Prompt]]] = [(config.candidate, continuations(held_out, bpe, config))]
    chat = models.checkpoints.get(CHAT_MODEL)
    if chat is not None:
        asked.append((CHAT_MODEL, questions(held_out, chat.path, config)))
    lines = [
        json.dumps(asdict(sample), ensure_ascii=False)
        for name, prompts in asked
        for sample in write_samples(name, models.load(name), bpe, prompts, config)
    ]
    build.write(SAMPLES, "".join(f"{line}\n" for line in lines))


def _completion(nats: npt.NDArray[np.float64], asked: Sequence[Question]) -> Completion | None:
    if not asked:
        return None
    by_question = nats.reshape(len(asked), -1)
    return Completion.of(
        sum(question.is_right(row.tolist()) for question, row in zip(asked, by_question, strict=True)), len(asked)
    )


def _stats(report: Report) -> dict[str, Any]:
    """The main figures; bits per byte by model, and the candidate's completion accuracy."""
    figures = {f"bits_per_byte_{name}": result.overall.bits_per_byte for name, result in report.models.items()}
    completion = report.models[report.candidate_name].completion
    return {
        "candidate": report.candidate_name,
        "documents": report.documents,
        "tokens": report.tokens,
        **figures,
        **({"completion_accuracy": completion.accuracy, "completion_items": completion.items} if completion else {}),
    }
