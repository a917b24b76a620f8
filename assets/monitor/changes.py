"""What changed: the words and hosts that a window asks about more, or less, and the requests that are like no other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests
from assets.monitor.features import Array, Words, count_words
from assets.monitor.permutation import Groups, word_shifts

SHOWN = 20
LEAST_ALIKE = 0.2
UNLIKE = "(unlike any)"
DIGITS = 6


@dataclass(frozen=True)
class Share:
    """A word or a host: its share of the window's and of the reference's requests, and requests that show it.

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
    """A request, and the cosine (TF-IDF) with the reference's request that is most like it."""

    text: str
    similarity: float


@dataclass(frozen=True)
class Changes:
    """Words and hosts by surprise, those first that the window has more of; then the strangest requests."""

    words: tuple[Share, ...]
    hosts: tuple[Share, ...]
    strangers: tuple[Stranger, ...]


def find_changes(window: Requests, reference: Requests, hosts: Sequence[str], config: MonitorConfig) -> Changes:
    """Describe how a window differs from the reference, whose requests are about `hosts`.

    A request of the window is about the host of the reference's request that is most like it, or
    about none where nothing is like it; the reference's own are placed in the same way, each by the
    others, so that the two shares can be compared.
    """
    words = count_words([*window.texts, *reference.texts])
    groups = Groups(len(window), len(reference))
    nearest, similarity = _nearest(words, groups)
    names = sorted({*hosts, UNLIKE})
    about = [hosts[place] if alike >= LEAST_ALIKE else UNLIKE for place, alike in zip(nearest, similarity, strict=True)]
    columns = [names.index(host) for host in about]
    presence = csr_matrix((np.ones(groups.members), (range(groups.members), columns)), (groups.members, len(names)))
    strangest = np.argsort(similarity[: groups.window], kind="stable")[: config.examples]
    return Changes(
        _shares(words.names, words.presence, window.texts, groups, config.examples),
        _shares(names, presence, window.texts, groups, config.examples),
        tuple(Stranger(window.texts[place], round(float(similarity[place]), DIGITS)) for place in strangest),
    )


def _nearest(words: Words, groups: Groups) -> tuple[NDArray[np.int64], Array]:
    """For each member the place of the reference's request most like it, itself left out, and the cosine."""
    similarities = words.similarities()[:, groups.window :].toarray()
    own = np.arange(groups.reference)
    similarities[groups.window + own, own] = -1.0
    nearest = similarities.argmax(axis=1)
    return nearest, similarities[np.arange(groups.members), nearest]


def _shares(
    names: Sequence[str], presence: csr_matrix, texts: Sequence[str], groups: Groups, examples: int
) -> tuple[Share, ...]:
    """The names whose share moved most, those that the window has more of first; `presence` is (members, names)."""
    surprises = word_shifts(presence, groups)(groups.observed())[0]
    inside = np.asarray(presence[: groups.window].mean(axis=0)).ravel()
    outside = np.asarray(presence[groups.window :].mean(axis=0)).ravel()
    order = sorted(np.argsort(-surprises, kind="stable")[:SHOWN], key=lambda place: inside[place] <= outside[place])
    by_name = csc_matrix(presence[: groups.window])
    return tuple(
        Share(
            names[place],
            round(float(inside[place]), DIGITS),
            round(float(outside[place]), DIGITS),
            round(float(surprises[place]), DIGITS),
            tuple(texts[row] for row in sorted(by_name[:, [place]].nonzero()[0])[:examples]),
        )
        for place in order
        if surprises[place] > 0
    )
