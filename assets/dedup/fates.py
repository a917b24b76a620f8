"""Fates: which documents of a snapshot stay, and which document stands for each of the others."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from assets.dedup.config import DedupConfig
from assets.dedup.groups import near_duplicate_groups
from assets.dedup.segment import Segment, Summary, index_parameters
from assets.dedup.signing import Signed
from assets.documents import ID_BYTES
from assets.lsh import BandIndex, Positions, pair_similarity
from assets.minhash import MinHash, Signatures
from assets.shingles import Hashes

REASONS = ("kept", "exact_duplicate", "near_duplicate", "seen_earlier_exact", "seen_earlier_near")
KEPT, EXACT, NEAR, EARLIER_EXACT, EARLIER_NEAR = range(len(REASONS))

FATE = np.dtype([("reason", "u1"), ("similarity", "<f4"), ("kept_id", "u1", (ID_BYTES,)), ("kept_segment", "<u4")])
"""A document's fate: index into REASONS, similarity to the kept document, its id and the number of its segment."""


MATCH = np.dtype([("segment", "i8"), ("entry", "i8"), ("similarity", "f4"), ("is_exact", "?")])
"""The text of an earlier snapshot that a text is most like; the segment is -1 where there is none."""


def decide(
    signed: Signed, earlier: Sequence[Segment], config: DedupConfig, report: Callable[[int], None]
) -> tuple[Segment, npt.NDArray[np.void]]:
    """The segment that this snapshot leaves, and the fate of each of its documents (`FATE`).

    Works on distinct texts; copies share the fate of the one among them that the rule prefers.
    """
    representative, text_of = _distinct(signed.digests, signed.rank)
    digests, signatures = signed.digests[:, representative], signed.signatures[representative]
    keys = MinHash(config.bands, config.rows, config.seed).band_keys(signatures)
    index = BandIndex.of(keys)
    group = near_duplicate_groups(signatures, index, config.min_similarity, report)
    matches = find_earlier(earlier, digests, signatures, keys, config.min_similarity)

    kept = _first_of_group(group, (signed.rank[representative],))
    matched = np.flatnonzero(matches["segment"] >= 0)
    preference = (matches["entry"], matches["segment"], -matches["similarity"], ~matches["is_exact"])
    through = _first_of_group(group, preference, matched)
    through[matched] = matched
    is_seen = through >= 0

    # A text that an earlier segment holds needs no entry of its own: whatever meets it there meets the older one.
    is_new = ~matches["is_exact"]
    number = np.cumsum(is_new) - 1
    stands = np.stack([np.full(len(group), len(earlier)), number[kept]], axis=1)
    estimates = pair_similarity(signatures, np.arange(len(group)), signatures, kept)
    kept_ids = signed.ids[representative[kept]]
    for place, segment in enumerate(earlier):
        texts = np.flatnonzero(is_seen & (matches["segment"][through] == place))
        stands[texts] = segment.stands[matches["entry"][through[texts]]]
    for place, segment in enumerate(earlier):
        texts = np.flatnonzero(is_seen & (stands[:, 0] == place))
        estimates[texts] = pair_similarity(signatures, texts, segment.signatures, stands[texts, 1])
        kept_ids[texts] = segment.ids[stands[texts, 1]]

    reason = np.where(is_seen, np.where(matches["is_exact"], EARLIER_EXACT, EARLIER_NEAR), NEAR)
    stays = ~is_seen & (kept == np.arange(len(group)))
    reason[stays] = EXACT
    fates = np.empty(len(text_of), FATE)
    fates["reason"], fates["similarity"] = reason[text_of], estimates[text_of]
    fates["kept_id"], fates["kept_segment"] = kept_ids[text_of], stands[text_of, 0]
    fates["reason"][representative[stays]] = KEPT

    sizes = np.bincount(group[text_of])
    summary = Summary(
        snapshot=signed.snapshot,
        earlier=[segment.summary.snapshot for segment in earlier],
        parameters=index_parameters(config),
        entries=int(is_new.sum()),
        hashed=len(text_of),
        distinct=len(group),
        groups=int((sizes > 1).sum()),
        largest_group=int(sizes.max(initial=0)),
    )
    segment = Segment(
        summary,
        digests[:, is_new],
        signatures[is_new],
        index.only(is_new),
        signed.ids[representative[is_new]],
        stands[is_new].astype(np.uint32),
    )
    return segment, fates


def find_earlier(
    earlier: Sequence[Segment], digests: Hashes, signatures: Signatures, keys: Hashes, min_similarity: float
) -> npt.NDArray[np.void]:
    """Each text's `MATCH`; earlier snapshots are searched, not read through.

    The same text counts above all; ties go to the oldest segment, then to its first entry.
    """
    found = np.zeros(len(signatures), MATCH)
    found["segment"] = found["entry"] = -1

    def note(texts: Positions, place: int, entries: Positions, estimates: npt.NDArray[np.float32] | float) -> None:
        found["segment"][texts], found["entry"][texts], found["similarity"][texts] = place, entries, estimates

    for place, segment in enumerate(earlier):
        entries = segment.find_exact(digests)
        texts = np.flatnonzero(entries >= 0)
        note(texts, place, entries[texts], 1.0)
        found["is_exact"][texts] = True
    others = np.flatnonzero(~found["is_exact"])
    for place, segment in enumerate(earlier):
        for asked, entries in segment.bands.candidates(keys[:, others]):
            estimates = pair_similarity(signatures, others[asked], segment.signatures, entries)
            order = np.lexsort((entries, -estimates, asked))
            best = order[np.flatnonzero(np.diff(asked[order], prepend=-1))]
            texts = others[asked[best]]
            better = (estimates[best] >= np.float32(min_similarity)) & (estimates[best] > found["similarity"][texts])
            note(texts[better], place, entries[best[better]], estimates[best[better]])
    return found


def _distinct(digests: Hashes, rank: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The preferred document of each distinct text, in the order of digests, and each document's text."""
    upper, lower = digests
    order = np.lexsort((rank, lower, upper))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(upper[order]) != 0) | (np.diff(lower[order]) != 0)
    text_of = np.empty(len(order), np.int64)
    text_of[order] = np.cumsum(is_first) - 1
    return order[is_first], text_of


def _first_of_group(
    group: npt.NDArray[np.int64], keys: tuple[npt.NDArray[np.generic], ...], among: Positions | None = None
) -> npt.NDArray[np.int64]:
    """For each text the first of its group by `keys` (last is primary) among some texts; -1 where there is none."""
    texts = np.arange(len(group)) if among is None else among
    order = texts[np.lexsort((*(key[texts] for key in keys), group[texts]))]
    first = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    of_group = np.full(len(group), -1, np.int64)
    of_group[group[first]] = first
    return of_group[group]
