"""Bad pages made from good ones: what a classifier must tell from documentation even where the rules let it pass."""

import random
from collections.abc import Callable

from assets.quality.rules.spam import PHRASES

PHRASES_PER_WORD = 0.25


def shuffled(text: str, draw: random.Random) -> str:
    """Its words in any order: the vocabulary of documentation, and no sentence."""
    words = text.split()
    draw.shuffle(words)
    return " ".join(words)


def stuffed(text: str, draw: random.Random) -> str:
    """A few of its words over and over between selling phrases, as keyword farms write."""
    words = text.split()
    keys = draw.sample(words, min(len(words), 8))
    phrases = draw.sample(PHRASES, 4)
    return " ".join(
        draw.choice(phrases if draw.random() < PHRASES_PER_WORD else keys) for _ in range(max(len(words), 40))
    )


def garbled(text: str, draw: random.Random) -> str:
    """A third of its words with letters swapped for others: bad OCR, or the wrong charset."""

    def garble(word: str) -> str:
        return "".join(chr(draw.randrange(0xA1, 0x250)) if draw.random() < 0.5 else letter for letter in word)

    return " ".join(garble(word) if draw.random() < 1 / 3 else word for word in text.split(" "))


def fragments(text: str, draw: random.Random) -> str:
    """Two or three words of it a line: what is left of a page when only its menus were found."""
    words = text.split()
    lines = []
    for _ in range(max(len(words) // 3, 10)):
        start = draw.randrange(len(words))
        lines.append(" ".join(words[start : start + draw.randint(1, 3)]))
    return "\n".join(lines)


Way = Callable[[str, random.Random], str]
WAYS: dict[str, Way] = {way.__name__: way for way in (shuffled, stuffed, garbled, fragments)}


def spoil(text: str, seed: str) -> tuple[str, str]:
    """One of these ways, and the text spoiled in it; the seed decides."""
    draw = random.Random(seed)
    way = draw.choice(list(WAYS))
    return way, WAYS[way](text, draw)
