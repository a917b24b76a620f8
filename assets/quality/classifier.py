"""A fastText model that scores how much a document reads like the good ones."""

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from assets.quality.config import ClassifierConfig
from assets.quality.words import symbols_and_words
from resources.errors import BuildError, InputError

MODEL = "model.bin"
M_PERTURB = -6  # from glibc's malloc.h
GOOD, BAD = "__label__good", "__label__bad"


@dataclass(frozen=True)
class Example:
    """A text that the classifier learns or is tested on.

    `kind` is "kept", or the rule that rejects it, or how it was spoiled; `draw` its place in the drawn order.
    """

    text: str
    kind: str
    draw: str = ""

    @property
    def is_good(self) -> bool:
        return self.kind == "kept"


def features(text: str, max_tokens: int) -> str:
    """The start of a text as fastText reads it: one line, tokens apart, none of which could pass for a label."""
    return " ".join(symbols_and_words(text)[:max_tokens])


def train(examples: Iterable[Example], config: ClassifierConfig, lines: Path, model: Path) -> None:
    """Train on the examples and write the model; `lines` is a file to use on the way.

    One thread and a fixed seed: the same bytes in every run on the same kind of machine.

    Raises:
        BuildError: if fastText meets a weight that is no number.
    """
    import fasttext

    with lines.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(f"{GOOD if example.is_good else BAD} {features(example.text, config.max_tokens)}\n")
    try:
        with _zeroed_allocations():
            trained = fasttext.train_supervised(
                str(lines),
                dim=config.dimensions,
                epoch=config.epochs,
                lr=config.learning_rate,
                wordNgrams=config.word_ngrams,
                bucket=config.buckets,
                minCount=2,
                loss="softmax",
                thread=1,
                seed=config.seed,
                verbose=0,
            )
    except RuntimeError as error:
        raise BuildError(
            f"fastText could not train the quality classifier ({error}); lower quality.classifier.learning_rate, "
            "and check that fasttext-numpy2-wheel is the only fastText installed"
        ) from error
    trained.save_model(str(model))


@contextmanager
def _zeroed_allocations() -> Iterator[None]:
    """Let the C library hand out zeroed memory meanwhile.

    With one thread, fastText's `uniformThread` fills the first tenth of its weights and leaves the rest as allocated:
    zeros in the version of 2019, whatever lay there in later builds, the packaged one included; training then differs
    from run to run, or meets NaN. glibc fills what it allocates with the complement of M_PERTURB. Other C libraries
    have no such setting; fresh large blocks are zeros there.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(M_PERTURB, 0xFF)
    try:
        yield
    finally:
        mallopt(M_PERTURB, 0)


def score(model: Path, text: str, max_tokens: int) -> float:
    """How good a text is, in [0, 1], rounded to 4 decimals; 0 where it has no token.

    Raises:
        InputError: if the file is no fastText model.
    """
    line = features(text, max_tokens)
    if not line:
        return 0.0
    probability = dict(zip(*_load(model).predict(line, k=2), strict=True)).get(GOOD, 0.0)
    return round(min(max(float(probability), 0.0), 1.0), 4)


@cache
def _load(model: Path) -> Any:
    import fasttext

    try:
        return fasttext.load_model(str(model))
    except ValueError as error:
        raise InputError(f"{model} is not a fastText model ({error}); run `tidemill verify`") from error
