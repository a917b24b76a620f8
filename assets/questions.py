"""Questions that a reader could ask of a document: the subjects that it documents, and how one asks about them.

The chat pairs answer such questions from the document's own words, the traffic and the monitors'
reference ask them; all three share this phrasing, so that their texts are of one kind.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from assets.documents import Document
from assets.vocabulary import SPECIAL_TOKENS

SHORTEST_SENTENCE = 20
LONGEST_SENTENCE = 240
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$")
_SUBJECT = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?P<signature>\(.*)?$", re.DOTALL)
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s")
_PROSE = re.compile(r"(?:[^\W\d_]{2}|[AI] ).*\s")

PHRASINGS = (
    "What does {name} do?",
    "What is {name}?",
    "Explain {name}.",
    "How is {name} described?",
    "What is the purpose of {name}?",
    "When would I use {name}?",
    "What should I know about {name}?",
    "Tell me about {name}.",
)
QUOTING = (
    'What has this description: "{sentence}"',
    'Of {name} it is said: "{sentence}" What else is there to know?',
    'Explain this about {name}: "{sentence}"',
    'Where does the documentation say this: "{sentence}"',
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that a document describes under a heading of its own.

    `name` is the heading without its signature ("numpy.linalg.norm"), `signature` "(x, ord=None)" or
    "", `sentence` the first sentence of prose on it, `text` all that stands below the heading.
    """

    name: str
    signature: str
    sentence: str
    text: str


def documented_objects(document: Document) -> list[Subject]:
    """The subjects of a document (text in light Markdown) that a reader would ask for by name.

    Those are what has a signature or a dotted name, and what the whole page is about: its first
    heading, or its title where it has none. Other headings ("Parameters", "Notes") say nothing
    alone, nor does one without a sentence of prose below it, such as a bare list.
    """
    found = [_subject(heading, lines) for heading, lines in _sections(document)]
    return [
        subject
        for place, subject in enumerate(found)
        if subject and (place == 0 or (_DOTTED.fullmatch(subject.name) and (subject.signature or "." in subject.name)))
    ]


def phrase(subject: Subject, draw: random.Random) -> str:
    """One way to ask about a subject, by name alone or quoting its first sentence."""
    wording = draw.choice(draw.choice((PHRASINGS, QUOTING)))
    return wording.format(name=subject.name, sentence=subject.sentence)


def questions(documents: Iterable[Document], seed: int, count: int) -> list[str]:
    """Draw `count` questions, each independently: a document, a subject of it, a wording, all uniformly.

    Draws are with replacement, so that two lots with other seeds come from the same distribution
    however few documents there are. Documents are streamed: each draw keeps the document that it
    holds with probability 1 - 1/k at the k-th (reservoirs of one). Fewer come back, namely none,
    only where no document has a subject.
    """
    chance = np.random.default_rng([seed, 0])
    held: list[list[Subject]] = [[]] * count
    seen = 0
    for document in documents:
        described = [item for item in documented_objects(document) if not _has_special_token(item)]
        if described:
            seen += 1
            for slot in np.flatnonzero(chance.random(count) * seen < 1):
                held[slot] = described
    draw = random.Random(f"questions {seed}")
    return [phrase(draw.choice(described), draw) for described in held if described]


def _has_special_token(subject: Subject) -> bool:
    """Whether asking would write a token that only the chat template may write; servers refuse such a question."""
    return any(token in part for token in SPECIAL_TOKENS for part in (subject.name, subject.sentence))


def _subject(heading: str, lines: Sequence[str]) -> Subject | None:
    sentence = _first_sentence(lines)
    if not heading or not sentence:
        return None
    match = _SUBJECT.fullmatch(heading)
    name, signature = (match["name"], match["signature"] or "") if match else (heading, "")
    return Subject(name, signature, sentence, "\n".join(lines).strip())


def _sections(document: Document) -> list[tuple[str, list[str]]]:
    """Headings outside code, each with the lines down to the next; the title with all lines where there is none."""
    sections: list[tuple[str, list[str]]] = []
    lines: list[str] = []
    is_code = False
    for line in document.text.splitlines():
        if line.startswith("```"):
            is_code = not is_code
        heading = None if is_code else _HEADING.match(line)
        if heading:
            lines = []
            sections.append((heading[1], lines))
        else:
            lines.append(line)
    return sections or [(document.title.strip(), lines)]


def _first_sentence(lines: Iterable[str]) -> str:
    """The first sentence of the first paragraph of prose; "" where there is only code, lists and short lines."""
    paragraph: list[str] = []
    is_code = False
    for line in [*lines, ""]:
        is_code ^= line.startswith("```")
        if not is_code and _PROSE.match(line) and not line.startswith((" ", "-", "|", ">")):
            paragraph.append(line.strip())
        elif paragraph:
            sentence = _SENTENCE_END.split(" ".join(paragraph), maxsplit=1)[0]
            if len(sentence) >= SHORTEST_SENTENCE:
                return sentence[:LONGEST_SENTENCE]
            paragraph = []
    return ""
