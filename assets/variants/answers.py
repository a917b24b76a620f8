"""The document's own words that answer a question about one of its objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assets.documents import Document
from assets.questions import Subject, documented_objects
from assets.variants.chat_config import ChatConfig
from assets.vocabulary import SPECIAL_TOKENS

Refusal = Literal["repeated", "too_long", "too_short", "special_token"]

_FENCE = "```"


@dataclass(frozen=True)
class Answer:
    """A subject and what its document says of it: its heading, then the first paragraphs."""

    subject: Subject
    text: str


def answers(document: Document, config: ChatConfig) -> Iterator[Answer | Refusal]:
    """For each documented object its answer, or why it has none."""
    seen: set[str] = set()
    for subject in documented_objects(document):
        if subject.name in seen:  # one question must not have two answers
            yield "repeated"
            continue
        seen.add(subject.name)
        prose = first_paragraphs(subject, config.max_answer_characters)
        text = f"{subject.name}{subject.signature}\n\n{prose}"
        if not prose:
            yield "too_long"
        elif len(prose) < config.min_answer_characters:
            yield "too_short"
        elif any(token in text or token in subject.sentence for token in SPECIAL_TOKENS):
            yield "special_token"
        else:
            yield Answer(subject, text)


def first_paragraphs(subject: Subject, longest: int) -> str:
    """The paragraphs from the subject's first sentence on that fit, code included; "" where the first does not.

    A last one that only announces what no longer fits ("For example:") is left out.
    """
    paragraphs = list(_paragraphs(subject.text.splitlines()))
    begin = next((n for n, text in enumerate(paragraphs) if _one_line(text).startswith(_one_line(subject.sentence))), 0)
    taken: list[str] = []
    for paragraph in paragraphs[begin:]:
        if len("\n\n".join([*taken, paragraph])) > longest:
            break
        taken.append(paragraph)
    if len(taken) > 1 and taken[-1].endswith(":"):
        taken.pop()
    return "\n\n".join(taken)


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Runs of lines between blank ones; what stands between fences is one run."""
    run: list[str] = []
    is_code = False
    for line in [*lines, ""]:
        is_code ^= line.startswith(_FENCE)
        if line.strip() or (is_code and run):
            run.append(line.rstrip())
        elif run:
            yield "\n".join(run)
            run = []
    if run:  # a fence that was never closed
        yield "\n".join(run).rstrip()


def _one_line(text: str) -> str:
    return " ".join(text.split())
