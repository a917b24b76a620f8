"""The web at different times: when a page appears, is edited, grows, and goes."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from assets.crawl.web.drafts import Draft

FIRST_DAY = date(2026, 1, 2)
DAYS_BETWEEN = 7
ADDED, REMOVED, GROWN, EDITED = 0.03, 0.02, 0.04, 0.08  # shares of the pages, per edition
LATE_EDITIONS = 3  # how many editions hold pages back that appear or grow later

_WORDS = {
    "returns": "gives back", "must": "has to", "Note that": "Mind that", "e.g.": "for example", "i.e.": "that is",
    "a list of": "the list of", "specified": "given", "Return": "Give back", "whether": "if",
    "optional": "not required",
    "default": "standard", "used": "taken", "value": "amount", "should": "ought to", "can be": "may be",
}  # fmt: skip
_WORD = re.compile(r"(?<![\w`.'\"(])(" + "|".join(re.escape(word) for word in _WORDS) + r")(?![\w`'\"(=])")


@dataclass(frozen=True, slots=True)
class Life:
    """A page's fate up to one edition; edition numbers start at 1.

    `grown` is the edition that first shows the whole text (before, half of it), perhaps one still to come, as `born`
    may be; `edits` are those that changed a few words, `gone` is the one that removed the page, if any.
    """

    born: int
    grown: int
    gone: int | None
    edits: tuple[int, ...]

    def is_shown(self, edition: int) -> bool:
        return self.born <= edition and self.gone is None

    def changed(self, edition: int) -> int:
        """The last edition that changed the page's bytes."""
        return max(e for e in (self.born, self.grown, *self.edits) if e <= edition)


def life(seed: int, host: str, page: str, added: int, edition: int) -> Life:
    """The fate of a page on a host that edition `added` brought, looking no further than `edition`."""
    born = _late(draw(seed, host, page, "born"), ADDED, added)
    grown = max(born, _late(draw(seed, host, page, "grown"), GROWN, added))
    gone = next((e for e in range(born + 1, edition + 1) if draw(seed, host, page, "gone", e) < REMOVED), None)
    edits = tuple(e for e in range(born + 1, edition + 1) if draw(seed, host, page, "edit", e) < EDITED)
    return Life(born, grown, gone, edits)


def _late(chance: float, share: float, added: int) -> int:
    late = int(chance / share)
    return added + 1 + late if late < LATE_EDITIONS else added


def day_of(edition: int) -> date:
    """The date that an edition's pages carry: fixed, a week apart."""
    return FIRST_DAY + timedelta(days=DAYS_BETWEEN * (edition - 1))


def at_edition(draft: Draft, fate: Life, edition: int, seed: int) -> Draft:
    """The draft as that edition shows it."""
    if fate.grown > edition:
        draft = first_half(draft)
    for edit in fate.edits:
        draft = reword(draft, seed, edit)
    return draft


def first_half(draft: Draft) -> Draft:
    """The page before it was completed: half of its objects, or half of the paragraphs of its only one."""
    if len(draft.sections) > 1:
        return replace(draft, sections=draft.sections[: (len(draft.sections) + 1) // 2])
    section = draft.sections[0]
    paragraphs = section.docstring.split("\n\n")
    return replace(draft, sections=(replace(section, docstring="\n\n".join(paragraphs[: (len(paragraphs) + 1) // 2])),))


def reword(draft: Draft, seed: int, *words: object) -> Draft:
    """A small edit: a few words replaced in running text, and a note of it after the first section."""
    chance = generator(seed, draft.name, "reword", *words)

    def swap(match: re.Match[str]) -> str:
        return _WORDS[match[0]] if chance.random() < 0.2 else match[0]

    def edit(text: str) -> str:
        lines = text.split("\n")
        is_code = [line.lstrip().startswith((">>>", "...", ":", "|")) for line in lines]
        return "\n".join(line if c else _WORD.sub(swap, line) for line, c in zip(lines, is_code, strict=True))

    number = f"{chance.randrange(1, 9)}.{chance.randrange(10)}"
    note = f"\n\nChanged in revision {number}: the wording of this section was made clearer."
    sections = [replace(section, docstring=edit(section.docstring)) for section in draft.sections]
    sections[0] = replace(sections[0], docstring=sections[0].docstring + note)
    return replace(draft, sections=tuple(sections))


def draw(seed: int, *words: object) -> float:
    """A number in [0, 1) for these words: the first 53 bits of their BLAKE2b hash."""
    return (_hash(seed, words) >> 11) / 2**53


def generator(seed: int, *words: object) -> Random:
    """A generator of its own for these words, for whatever needs many draws."""
    return Random(_hash(seed, words))


def _hash(seed: int, words: tuple[object, ...]) -> int:
    text = "\0".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
