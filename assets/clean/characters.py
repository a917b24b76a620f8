"""Characters that are not what they should be: mojibake, invisible ones, and odd white space."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import ftfy

_FTFY = ftfy.TextFixerConfig(
    unescape_html=False,  # `&amp;` in a page about HTML is meant
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_terminal_escapes=False,
    remove_control_chars=False,  # done here, so that they are counted
    normalization="NFC",
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\u2028\u2029]")
_TERMINAL_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
# Controls but tab and line feed, soft hyphen, zero-width, bidirectional, annotation and tag characters, surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
# Joiners stay where scripts and emoji need them: between two characters past the Latin, Greek and Cyrillic blocks.
_NEEDS_JOINER = "\u0590-\u200b\u200e-\U0010ffff"
_STRAY_JOINER = re.compile(f"(?<![{_NEEDS_JOINER}])[\u200c\u200d]|[\u200c\u200d](?![{_NEEDS_JOINER}])")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_FENCE = "```"
MAX_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text with sound characters, how many invisible ones went and how many lines were mended."""

    text: str
    characters_removed: int = 0
    lines_repaired: int = 0


def repair_characters(text: str, *, repair_mojibake: bool = True) -> Repaired:
    """Remove invisible characters and mend wrongly decoded lines; code between fences keeps its words.

    Line ends become line feeds and odd spaces plain ones everywhere. Repeated until nothing
    changes, since a mended line may show an invisible character.
    """
    removed = mended = 0
    for _ in range(MAX_ROUNDS):
        before = text
        text = _LINE_ENDS.sub("\n", text)
        if repair_mojibake and not text.isascii():  # first: mojibake is partly made of C1 controls and odd spaces
            lines = [(_mend(line, is_code), line) for line, is_code in lines_of(text)]
            mended += sum(new != old for new, old in lines)
            text = "\n".join(new for new, _ in lines)
        for pattern in (_TERMINAL_ESCAPES, _INVISIBLE, _STRAY_JOINER):
            text, count = pattern.subn("", text)
            removed += count
        text = _SPACES.sub(" ", text)
        if text == before:
            break
    return Repaired(text, removed, mended)


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code: between fences (these included), or a doctest prompt."""
    in_code = False
    for line in text.split("\n"):
        is_fence = line.lstrip().startswith(_FENCE)
        yield line, in_code or is_fence or line.lstrip().startswith((">>>", "... "))
        in_code ^= is_fence


def tidy_lines(text: str, max_blank_lines: int) -> str:
    """White space at line ends, and blank lines beyond a number, removed; code blocks stay as they are."""
    kept: list[str] = []
    blank = 0
    for line, is_code in lines_of(text):
        line = line if is_code else line.rstrip()
        blank = 0 if line or is_code else blank + 1
        if blank <= max_blank_lines:
            kept.append(line)
    return "\n".join(kept).strip("\n").rstrip()


def _mend(line: str, is_code: bool) -> str:
    return line if is_code or line.isascii() else ftfy.fix_text(line, _FTFY)
