"""What changed: the words that a window asks about more, or less, and the requests that surprise the model most."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix

from assets.monitor.drift import DIGITS, Requests
from assets.monitor.features import word_presence
from assets.monitor.permutation import Groups, word_shifts

SHOWN = 20


@dataclass(frozen=True)
class Share:
    """A word: its share of the window's and of the reference's requests, and requests of the window that have it.

    `surprise` is the log-likelihood ratio (G²) of the two shares: 10.8 is one in a thousand, for a
    word that was chosen before one looked.
    """

    name: str
    window: float
    reference: float
    surprise: float
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Stranger:
    """A request, and the model's loss on it."""

    text: str
    bits_per_byte: float


def moved_words(window: Requests, reference: Requests, examples: int) -> tuple[Share, ...]:
    """The words whose share moved most, those that the window has more of first, with so many examples of each."""
    presence, names = word_presence([*window.texts, *reference.texts])
    groups = Groups(len(window), len(reference))
    surprises = word_shifts(presence, groups)(groups.observed())[0]
    inside = np.asarray(presence[: groups.window].mean(axis=0)).ravel()
    outside = np.asarray(presence[groups.window :].mean(axis=0)).ravel()
    order = sorted(np.argsort(-surprises, kind="stable")[:SHOWN], key=lambda place: inside[place] <= outside[place])
    by_word = csc_matrix(presence[: groups.window])
    return tuple(
        Share(
            names[place],
            round(float(inside[place]), DIGITS),
            round(float(outside[place]), DIGITS),
            round(float(surprises[place]), DIGITS),
            tuple(window.texts[row] for row in sorted(by_word[:, [place]].nonzero()[0])[:examples]),
        )
        for place in order
        if surprises[place] > 0
    )


def strangest(window: Requests, count: int) -> tuple[Stranger, ...]:
    """The requests that the model foresees least."""
    order = np.argsort(-window.bits_per_byte, kind="stable")[:count]
    return tuple(Stranger(window.texts[place], float(window.bits_per_byte[place])) for place in order)
