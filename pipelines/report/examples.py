"""Examples of what was dropped, each beside a page that was kept, drawn by id so that the same lake shows the same."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.documents import DOCUMENT_SCHEMA, Document, Dropped, read_dropped, shard_names
from assets.pii import PII_KINDS, mask_pii
from assets.split import host_of
from assets.stage import Known
from resources.lake import Lake

SHOWN_CHARACTERS = 420
SOURCES = {"deduped": "extracted", "cleaned": "deduped", "quality_filtered": "cleaned"}
"""Stages that drop documents, and the stage that has the text which each of them saw."""


@dataclass(frozen=True)
class Example:
    """A dropped document as the stage saw it, beside a kept one; both shortened, personal data masked.

    `is_twin` says that the kept one is what the dropped one is a copy of; otherwise it is a page
    that passed the same stage, or None where the stage kept nothing.
    """

    stage: str
    snapshot: str
    reason: str
    score: float | None
    dropped: Document
    kept: Document | None
    is_twin: bool


def find_examples(known: Known, lake: Lake, snapshots: Iterable[str]) -> list[Example]:
    """For each stage and reason the first dropped document by id, at the first snapshot that has one.

    Personal data is masked: before `cleaned`, texts still hold it.
    """
    found: dict[tuple[str, str], Example] = {}
    for snapshot in snapshots:
        for stage, source in SOURCES.items():
            if (stage, snapshot) in known and (source, snapshot) in known:
                for example in _of_stage(known, lake, stage, snapshot):
                    found.setdefault((stage, example.reason), example)
    return sorted(found.values(), key=lambda example: list(SOURCES).index(example.stage))


def _of_stage(known: Known, lake: Lake, stage: str, snapshot: str) -> Iterator[Example]:
    folder = lake.local(known[stage, snapshot]).path
    drops = _first_by_reason(folder)
    texts = _documents(lake.local(known[SOURCES[stage], snapshot]).path, [drop.id for drop in drops])
    twins = _twins(known, lake, folder, [drop.id for drop in drops])
    passed = _kept_beside(folder, [drop for drop in drops if drop.id not in twins])
    for drop in (drop for drop in drops if drop.id in texts):
        kept = twins.get(drop.id) or passed.get(drop.id)
        yield Example(
            stage=stage,
            snapshot=snapshot,
            reason=drop.reason,
            score=drop.score,
            dropped=_shown(texts[drop.id]),
            kept=_shown(kept) if kept else None,
            is_twin=drop.id in twins,
        )


def _first_by_reason(folder: Path) -> list[Dropped]:
    first: dict[str, Dropped] = {}
    for drop in read_dropped(folder):
        if drop.reason not in first or drop.id < first[drop.reason].id:
            first[drop.reason] = drop
    return [first[reason] for reason in sorted(first)]


def _twins(known: Known, lake: Lake, folder: Path, ids: Collection[str]) -> dict[str, Document]:
    """The documents that stand for duplicates, by the duplicate's id, from whichever snapshot they are of."""
    twins = {}
    for path in shard_names(folder, "clusters"):
        for row in pq.read_table(path, filters=_is_one_of(ids)).to_pylist():
            source = known.get(("extracted", row["kept_snapshot"]))
            found = _documents(lake.local(source).path, [row["kept_id"]]) if source is not None else {}
            if row["kept_id"] in found:
                twins[row["id"]] = found[row["kept_id"]]
    return twins


def _kept_beside(folder: Path, drops: Sequence[Dropped]) -> dict[str, Document]:
    """For each drop a kept document of its host, or else of any: a different one for each where there are enough."""
    ids: dict[str, list[str]] = {host: [] for host in ("", *(host_of(drop.url) for drop in drops))}
    for path in shard_names(folder):
        table = pq.read_table(path, columns=["id", "url"])
        for key, url in zip(table["id"].to_pylist(), table["url"].to_pylist(), strict=True):
            for host in {"", host_of(url)} & set(ids):
                ids[host] = sorted([*ids[host], key])[: len(drops)]
    chosen: dict[str, str] = {}
    for place, drop in enumerate(drops):
        candidates = ids[host_of(drop.url)] or ids[""]
        if candidates:
            chosen[drop.id] = candidates[place % len(candidates)]
    documents = _documents(folder, set(chosen.values()))
    return {drop: documents[key] for drop, key in chosen.items()}


def _documents(folder: Path, ids: Collection[str]) -> dict[str, Document]:
    return {
        row["id"]: Document(**row)
        for path in shard_names(folder)
        for row in pq.read_table(path, columns=DOCUMENT_SCHEMA.names, filters=_is_one_of(ids)).to_pylist()
    }


def _is_one_of(ids: Collection[str]) -> pc.Expression:
    return pc.field("id").isin(pa.array(list(ids), pa.string()))  # typed, or an empty list matches no column


def _shown(document: Document) -> Document:
    # Masked before it is cut: a cut through a number would leave half of it unseen by the mask.
    title, text = (mask_pii(part, PII_KINDS).text.strip() for part in (document.title, document.text))
    if len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS].rstrip() + " …"
    return replace(document, title=title, text=text)
