"""Training documents as one array of tokens, for baselines that count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assets.evaluate.held_out import Tokens, draw_key, own_tokens
from llm_core.feed.shards import Shards

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TokenStream:
    """Documents one after the other, each headed by the start token.

    `tokens` and `places` are (length,); a token's place is its number in its document, 0 for the start token.
    """

    tokens: Tokens
    places: Tokens

    @classmethod
    def of(cls, sequences: Sequence[Tokens]) -> TokenStream:
        """Join sequences that each begin with the start token."""
        none = np.zeros(0, np.int64)
        places = [np.arange(sequence.size, dtype=np.int64) for sequence in sequences]
        return cls(np.concatenate([none, *sequences]), np.concatenate([none, *places]))

    def split(self, values: Values) -> list[Values]:
        """Cut values, one for each token, into documents, without that of the start token."""
        return [part[1:] for part in np.split(values, np.flatnonzero(self.places == 0)[1:])]


def with_start(start: int, tokens: Tokens) -> Tokens:
    """A sequence as models read it: the start token, then the document's own."""
    return np.concatenate(([start], tokens)).astype(np.int64)


def training_stream(
    shards: Sequence[Path], start: int, specials: frozenset[int], *, most_tokens: int, seed: int
) -> TokenStream:
    """The training documents of all snapshots, or an even sample of `most_tokens` of them."""
    opened = [Shards(folder / "train") for folder in shards]
    share = min(1.0, most_tokens / max(1, sum(folder.tokens for folder in opened)))

    def sequences() -> Iterator[Tokens]:
        for folder in opened:
            for span in folder.spans(0, folder.tokens):
                if int.from_bytes(draw_key(seed, span.document), "big") < int(share * 2**128):
                    tokens = own_tokens(folder.read(span.start, span.stop - span.start), specials)
                    if tokens.size:
                        yield with_start(start, tokens)

    return TokenStream.of(list(sequences()))
