"""Follow anything to where it came from and where it went, from the files of the lake alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.documents import document_id, shard_names, shard_of
from assets.stage import Known
from assets.training import Feed
from llm_core.feed.order import Order, Source
from llm_core.feed.shards import Shards
from resources.artifact import Artifact
from resources.errors import InputError
from resources.lake import Lake

FUNNEL = ("raw_crawl", "extracted", "deduped", "cleaned", "quality_filtered")
TRAINED = ("pretrained_checkpoint", "finetuned", "lora_finetuned")
SHOWN_DOCUMENTS = 50
ID = re.compile(r"[0-9a-f]{32}")


def trace_page(known: Known, lake: Lake, target: str) -> dict[str, Any]:
    """A page's fate stage by stage in every snapshot, its tokens, and the steps that it was in.

    `target` is a URL or a document id.

    Raises:
        InputError: if no snapshot has seen it.
    """
    url = _urls(known, lake, [target])[target] or target if ID.fullmatch(target) else target
    snapshots = sorted({snapshot for _, snapshot in known})
    fates = [fate for snapshot in snapshots for fate in _fates(known, lake, url, snapshot)]
    if not fates:
        raise InputError(f"{target}: no snapshot here has considered it; `tidemill trace --help` has other forms")
    spans = {snapshot: _spans(known, lake, document_id(url, snapshot), snapshot) for snapshot in snapshots}
    return {
        "kind": "page",
        "url": url,
        "documents": {fate["snapshot"]: document_id(url, fate["snapshot"]) for fate in fates},
        "fate": fates,
        "tokens": {snapshot: span for snapshot, span in spans.items() if span},
        "steps": [found for snapshot in snapshots for found in _steps(known, lake, document_id(url, snapshot))],
    }


def trace_step(lake: Lake, checkpoint: Artifact, step: int, known: Known) -> dict[str, Any]:
    """The documents in a step of a checkpoint's training, with their pages."""
    feed = Feed.read(lake.local(checkpoint).path)
    if step not in range(feed.steps) or step in feed.skipped_steps:
        numbers = f"{feed.steps} steps, from 0, and skipped {list(feed.skipped_steps) or 'none'}"
        raise InputError(f"step:{step}: {checkpoint.stage} of {checkpoint.partition} has {numbers}")
    found = _order(lake, checkpoint, feed).documents_in_step(step)
    documents = [document for document in found if document not in feed.skipped_documents]
    return {
        "kind": "step",
        "checkpoint": named(checkpoint),
        "step": step,
        "documents": [{"id": page, "url": url} for page, url in _urls(known, lake, documents).items()],
    }


def trace_model(lake: Lake, checkpoint: Artifact) -> dict[str, Any]:
    """The artifacts that a checkpoint was made from, down to its pages: `urls` are those whose text came through."""
    ancestors = list(ancestry(lake, checkpoint))
    corpora = [lake.local(artifact).path for artifact in ancestors if artifact.stage == "quality_filtered"]
    shards = [path for corpus in corpora for path in shard_names(corpus, "documents")]
    return {
        "kind": "model",
        "checkpoint": named(checkpoint),
        "artifacts": [{**named(artifact), "parents": list(artifact.parents)} for artifact in ancestors],
        "documents": sum(int(a.stats["kept"]) for a in ancestors if a.stage == "quality_filtered"),
        "pages": sum(int(a.stats["kept"]) for a in ancestors if a.stage == "raw_crawl"),
        "urls": sorted({url for path in shards for url in pq.read_table(path, columns=["url"])["url"].to_pylist()}),
    }


def ancestry(lake: Lake, artifact: Artifact) -> Iterator[Artifact]:
    """An artifact and all that it was made from, nearest first, each once."""
    seen: set[str] = set()
    front = [artifact]
    while front:
        current = front.pop(0)
        if current.fingerprint in seen:
            continue
        seen.add(current.fingerprint)
        yield current
        front += [parent for f in current.parents if (parent := lake.get(f)) is not None]


def named(artifact: Artifact) -> dict[str, Any]:
    return {"stage": artifact.stage, "partition": artifact.partition, "fingerprint": artifact.fingerprint}


def _fates(known: Known, lake: Lake, url: str, snapshot: str) -> Iterator[dict[str, Any]]:
    """What each stage did with a page, up to the one that dropped it; none where it was not seen."""
    page = pc.field("id") == document_id(url, snapshot)
    for stage in FUNNEL:
        artifact = known.get((stage, snapshot))
        if artifact is None:
            return
        folder, kind = lake.local(artifact).path, "captures" if stage == "raw_crawl" else "documents"
        shard = f"{shard_of(url, len(shard_names(folder, kind))):05}.parquet"
        fate = {"snapshot": snapshot, "stage": stage}
        for row in pq.read_table(folder / "dropped" / shard, filters=page).to_pylist():
            yield {**fate, "outcome": "dropped", "reason": row["reason"], "score": row["score"]}
            return
        if not len(pq.read_table(folder / kind / shard, columns=["id"], filters=page)):
            return
        yield {**fate, "outcome": "kept", "reason": None, "score": None}


def _urls(known: Known, lake: Lake, documents: Sequence[str]) -> dict[str, str]:
    """The URL of each document id, as its crawl considered it; empty where no snapshot here did."""
    urls = dict.fromkeys(documents, "")
    wanted = pc.field("id").isin(pa.array(documents, pa.string()))
    for (stage, _), artifact in known.items():
        if stage == "raw_crawl":
            folder = lake.local(artifact).path
            for path in [*shard_names(folder, "captures"), *shard_names(folder, "dropped")]:
                table = pq.read_table(path, columns=["id", "url"], filters=wanted)
                urls.update(zip(table["id"].to_pylist(), table["url"].to_pylist(), strict=True))
    return urls


def _spans(known: Known, lake: Lake, document: str, snapshot: str) -> list[dict[str, Any]]:
    artifact = known.get(("token_shards", snapshot))
    if artifact is None:
        return []
    folder = lake.local(artifact).path
    return [
        {"split": split, "start": span.start, "tokens": span.stop - span.start}
        for split in ("train", "held_out")
        for span in Shards(folder / split).find([document])
    ]


def _steps(known: Known, lake: Lake, document: str) -> Iterator[dict[str, Any]]:
    for (stage, _), artifact in known.items():
        if stage in TRAINED:
            feed = Feed.read(lake.local(artifact).path)
            if not feed.steps or document in feed.skipped_documents:
                continue
            found = _order(lake, artifact, feed).steps_of_document(document, feed.steps)
            if steps := [step for step in found if step not in feed.skipped_steps]:
                yield {"checkpoint": named(artifact), "steps": steps}


def _order(lake: Lake, checkpoint: Artifact, feed: Feed) -> Order:
    sources = []
    for source in feed.sources:
        shards = lake.get(source.artifact)
        if shards is None:
            raise InputError(
                f"{checkpoint.stage} {checkpoint.fingerprint} was trained on {source.artifact}, which is not in the "
                "lake any more; run its snapshot again"
            )
        sources.append(Source(Shards(lake.local(shards).path / source.folder), source.weight))
    return Order(sources, length=feed.length, sequences=feed.sequences, seed=feed.seed)


def describe(trace: Mapping[str, Any]) -> Iterator[str]:
    """A trace in lines for a person."""
    if trace["kind"] == "page":
        yield trace["url"]
        for fate in trace["fate"]:
            reason = f": {fate['reason']}" if fate["reason"] else ""
            score = f" ({fate['score']:.3g})" if fate["score"] is not None else ""
            yield f"  {fate['snapshot']} {fate['stage']}: {fate['outcome']}{reason}{score}"
        for snapshot, spans in trace["tokens"].items():
            for span in spans:
                yield f"  {snapshot} tokens: {span['tokens']} in {span['split']}, from {span['start']}"
        for found in trace["steps"]:
            steps = ", ".join(map(str, found["steps"][:12])) + (", …" if len(found["steps"]) > 12 else "")
            checkpoint = found["checkpoint"]
            yield f"  in {len(found['steps'])} steps of {checkpoint['stage']} {checkpoint['partition']}: {steps}"
    elif trace["kind"] == "step":
        yield f"step {trace['step']} of {trace['checkpoint']['stage']} {trace['checkpoint']['partition']}"
        for row in trace["documents"][:SHOWN_DOCUMENTS]:
            yield f"  {row['id']} {row['url']}"
    else:
        answered = f"{trace['request']} was answered by version {trace['version']}: " if "request" in trace else ""
        yield answered + "{stage} {partition}, made from".format(**trace["checkpoint"])
        for row in trace["artifacts"][1:]:
            yield f"  {row['stage']} {row['partition']} {row['fingerprint']}"
        yield f"  {trace['documents']:,} documents of {trace['pages']:,} pages"
