"""The extract stage: every capture of a crawl becomes a document, or is dropped with a reason."""

from collections import Counter
from functools import lru_cache, partial
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.captures import Capture, capture_shards, read_captures, read_payload
from assets.documents import Document, Dropped, ShardWriter, is_written, tally
from assets.extract.columns import Description, described
from assets.extract.config import ExtractConfig
from assets.extract.language import UNDETERMINED, identify_language
from assets.extract.page import Page, Refused, read_page
from assets.extract.sandbox import Sandbox, SandboxFailureError, SandboxTimeoutError
from resources.build import Build, Outcome
from resources.compute import run_tasks


def extract(build: Build, config: ExtractConfig, crawl: Path) -> Outcome:
    """Fill the build with the documents of a crawl's captures, in the crawl's shards.

    Every page is parsed in a process of its own that a hostile one can only kill, within limits
    of size, depth, processor time and memory. Reasons for dropping: `unchanged` (a revisit: an
    earlier snapshot has it), `http_404` and the like, `not_html`, `undecodable`, `empty`, `too_large`,
    `too_deep`, `timeout`, `extractor_failed`, `language`.
    """
    shards = capture_shards(crawl)
    try:
        run_tasks(build, "extract", shards, partial(_extract_shard, build, config, crawl))
    finally:
        _reader(config).close()
    entered = sum(pq.read_metadata(path).num_rows for path in sorted((crawl / "captures").glob("*.parquet")))
    funnel = tally(build, shards, entered=entered)
    return Outcome({**funnel.stats(), **_counts(build, shards)})


def _extract_shard(build: Build, config: ExtractConfig, crawl: Path, shard: int) -> None:
    if is_written(build, shard):
        return
    with ShardWriter(build, shard) as writer:
        for capture in read_captures(crawl, shard):
            verdict = _judge(capture, crawl, config, _reader(config))
            if isinstance(verdict, Document):
                writer.keep(verdict)
            else:
                writer.add_dropped(verdict)


@lru_cache(maxsize=1)
def _reader(config: ExtractConfig) -> Sandbox[[bytes, str, str, ExtractConfig], Page | Refused]:
    """This process's sandbox for pages: one for all its shards, since it takes longer to start than many pages."""
    return Sandbox(read_page, cpu_s=config.page_cpu_s, memory_mb=config.page_memory_mb)


def _judge(
    capture: Capture,
    crawl: Path,
    config: ExtractConfig,
    read: Sandbox[[bytes, str, str, ExtractConfig], Page | Refused],
) -> Document | Dropped:
    """The document of a capture, or why there is none."""

    def dropped(reason: str, score: float | None = None) -> Dropped:
        return Dropped(capture.id, capture.url, reason, score)

    if capture.kind == "revisit":
        return dropped("unchanged")
    if capture.kind == "response" and not 200 <= capture.status < 300:
        return dropped(f"http_{capture.status}", float(capture.status))
    try:
        page = read(read_payload(crawl, capture), capture.content_type, capture.url, config)
    except SandboxTimeoutError:
        return dropped("timeout", config.page_cpu_s)
    except SandboxFailureError:
        return dropped("extractor_failed")
    if isinstance(page, Refused):
        return dropped(page.reason, page.score)
    said = described(capture) if capture.kind == "resource" else Description()
    language, score = identify_language(page.text, config.min_language_score)
    if said.language:
        language, score = said.language, 1.0
    if not _is_wanted(language, config):
        return dropped("language", score)
    return Document(
        id=capture.id,
        url=capture.url,
        text=page.text,
        snapshot=capture.snapshot,
        title=said.title or page.title,
        language=language,
        language_score=score,
        license=said.license or page.license,
    )


def _is_wanted(language: str, config: ExtractConfig) -> bool:
    if not config.languages or language in config.languages:
        return True
    return language == UNDETERMINED and config.keep_undetermined


def _counts(build: Build, shards: int) -> dict[str, object]:
    """What the kept documents are like: characters in all, documents by language and by licence."""
    languages: Counter[str] = Counter()
    licenses: Counter[str] = Counter()
    characters = 0
    for shard in range(shards):
        with build.local(f"documents/{shard:05}.parquet") as path, pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["text", "language", "license"]):
                characters += pc.sum(pc.utf8_length(batch["text"])).as_py() or 0
                languages.update(batch["language"].to_pylist())
                licenses.update(batch["license"].to_pylist())
    return {
        "characters": characters,
        "languages": dict(sorted(languages.items())),
        "licenses": dict(sorted(licenses.items())),
    }
