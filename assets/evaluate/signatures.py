"""Signature completion: which arguments belong to a documented name, among those of others.

A question is a heading `# package.name(arguments)` of a held-out document. A model reads the text
before it, up to the opening parenthesis, and the choices are the rest of the line, the right one
and others from held-out headings, of nearly the same length so that length tells nothing. The
choice with the greatest likelihood per byte is the model's answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOutDocument, draw_key
from assets.likelihood import Tokens
from assets.vocabulary import BOS, SPECIAL_TOKENS, Vocabulary

HEADING = re.compile(r"^#{1,6} (?P<name>\w+(?:\.\w+)*)\((?P<arguments>[^\s)][^\n]*\)[^\n]*)$", re.MULTILINE)
CONTEXT_CHARACTERS = 240
NEAR = 4
"""Distractors are drawn from this many times as many choices as are asked for, the nearest in length."""


@dataclass(frozen=True)
class Signature:
    """A heading of a document: the text before its arguments, the rest of the line, and all that follows."""

    document: str
    name: str
    context: str
    rest: str
    following: str


@dataclass(frozen=True)
class Question:
    """A signature with choices, the right one first.

    `sequences` are the choices after their context, as a model reads them; those tokens from
    `differs` on tell them apart, and `sizes` are the choices' bytes.
    """

    document: str
    sequences: tuple[Tokens, ...]
    differs: int
    sizes: tuple[int, ...]

    def is_right(self, nats: Sequence[float]) -> bool:
        """Whether the right choice is likelier per byte than every other; `nats` as summed from `differs` on."""
        scores = [value / size for value, size in zip(nats, self.sizes, strict=True)]
        return scores[0] < min(scores[1:])


def find_signatures(document: str, text: str) -> list[Signature]:
    """The headings of a document that are signatures with arguments."""
    return [
        Signature(
            document=document,
            name=match["name"],
            context=_tail(text[: match.start("arguments")]),
            rest=match["arguments"] + "\n",
            following=text[match.end() :].strip(),
        )
        for match in HEADING.finditer(text)
    ]


def make_questions(
    documents: Sequence[HeldOutDocument], vocabulary: Vocabulary, config: EvaluateConfig
) -> list[Question]:
    """Draw at most one signature from each document, and choices for it; none where too few differ."""
    found = [find_signatures(document.id, document.text) for document in documents]
    pool = sorted({signature.rest for signatures in found for signature in signatures}, key=lambda r: (len(r), r))
    if len(pool) < config.completion_choices:
        return []
    drawn = [min(signatures, key=lambda s: _key(s, s.name, config)) for signatures in found if signatures]
    drawn.sort(key=lambda signature: draw_key(config.seed, signature.document))
    return [_question(signature, pool, vocabulary, config) for signature in drawn[: config.completion_items]]


def _key(signature: Signature, name: str, config: EvaluateConfig) -> bytes:
    return draw_key(config.seed, f"{signature.document} {name}")


def _tail(text: str) -> str:
    """The end of a text, whole lines where there are any."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    return text[text.find("\n", len(text) - CONTEXT_CHARACTERS) + 1 or text.rfind("\n") + 1 :]


def _question(signature: Signature, pool: Sequence[str], vocabulary: Vocabulary, config: EvaluateConfig) -> Question:
    right, count = signature.rest, config.completion_choices - 1
    others = sorted((rest for rest in pool if rest != right), key=lambda rest: abs(len(rest) - len(right)))
    distractors = sorted(others[: NEAR * count], key=lambda rest: _key(signature, rest, config))[:count]
    choices = [right, *distractors]
    sequences = [
        np.array([SPECIAL_TOKENS.index(BOS), *ids])
        for ids in vocabulary.encode([signature.context + choice for choice in choices])
    ]
    shortest = min(sequence.size for sequence in sequences)
    same = np.all([sequence[:shortest] == sequences[0][:shortest] for sequence in sequences], axis=0)
    return Question(
        document=signature.document,
        sequences=tuple(sequences),
        differs=int(np.argmin(same)) if not same.all() else shortest,
        sizes=tuple(len(choice.encode()) for choice in choices),
    )
