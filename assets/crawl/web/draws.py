"""Chance that depends on names only: the same draw for the same seed and words, whatever was drawn before."""

import hashlib
from random import Random


def draw(seed: int, *words: object) -> float:
    """A number in [0, 1) for these words: the first 53 bits of their BLAKE2b hash."""
    return (_hash(seed, words) >> 11) / 2**53


def generator(seed: int, *words: object) -> Random:
    """A generator of its own for these words, for whatever needs many draws."""
    return Random(_hash(seed, words))


def _hash(seed: int, words: tuple[object, ...]) -> int:
    text = "\0".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
