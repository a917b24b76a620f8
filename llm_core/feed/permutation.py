"""A shuffle of any size that needs no memory: position to item and back, each in O(1)."""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

ROUNDS = 6


class Permutation:
    """A pseudo-random bijection on ``range(size)``, decided by a key.

    A balanced Feistel network permutes the smallest power of four that holds ``size``; where its output falls outside,
    it is applied again until it falls inside (cycle walking: Black & Rogaway, 2002), fewer than four times on average.
    Round functions are splitmix64's finaliser (Steele et al., 2014).
    """

    def __init__(self, size: int, key: tuple[int, ...]) -> None:
        self.size = size
        self._half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        digest = hashlib.blake2b(repr(key).encode(), digest_size=8 * ROUNDS).digest()
        self._keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def forward(self, positions: Integers) -> Integers:
        """Items at these positions of the shuffled order."""
        return self._walk(positions, self._encrypt)

    def inverse(self, items: Integers) -> Integers:
        """Positions of these items in the shuffled order."""
        return self._walk(items, self._decrypt)

    def _walk(self, values: Integers, apply: Callable[[Words], Words]) -> Integers:
        result = apply(values.astype(np.uint64))
        outside = np.flatnonzero(result >= self.size)
        while outside.size:
            result[outside] = apply(result[outside])
            outside = outside[result[outside] >= self.size]
        return result.astype(np.int64)

    def _encrypt(self, values: Words) -> Words:
        left, right = self._split(values)
        for key in self._keys:
            left, right = right, left ^ self._mix(right, key)
        return (left << np.uint64(self._half_bits)) | right

    def _decrypt(self, values: Words) -> Words:
        left, right = self._split(values)
        for key in self._keys[::-1]:
            left, right = right ^ self._mix(left, key), left
        return (left << np.uint64(self._half_bits)) | right

    def _split(self, values: Words) -> tuple[Words, Words]:
        return values >> np.uint64(self._half_bits), values & np.uint64((1 << self._half_bits) - 1)

    def _mix(self, half: Words, key: np.uint64) -> Words:
        mixed = half ^ key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(64 - self._half_bits)
