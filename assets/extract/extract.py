"""The extract stage: every capture of a crawl becomes a document, or is dropped with a reason."""

from collections import Counter
from collections.abc import Iterator
from email.message import Message
from email.utils import collapse_rfc2231_value
from functools import lru_cache, partial
from pathlib import Path

import pyarrow.compute as pc

from assets.captures import Capture, capture_shards, read_captures, read_payload
from assets.documents import Document, Dropped, count_documents, read_written, write_shards
from assets.extract.config import ExtractConfig
from assets.extract.language import UNDETERMINED, identify_language
from assets.extract.page import Refused, read_page
from assets.extract.sandbox import Sandbox, SandboxError
from resources.build import Build, Outcome


def extract(build: Build, config: ExtractConfig, crawl: Path) -> Outcome:
    """Fill the build with the documents of a crawl's captures, in the crawl's shards.

    Every page is parsed in a process of its own that a hostile one can only kill, within limits
    of size, depth, processor time and memory. Reasons for dropping, with the figure that decided:
    `empty`, `too_large`, `too_deep`, `timeout`, `language`; and without one, since none did: `unchanged`
    (a revisit: an earlier snapshot has it), `not_html`, `undecodable`, `extractor_failed`. Stats say
    what the kept documents are like.
    """
    shards = capture_shards(crawl)
    entered = count_documents(crawl, "captures")
    try:
        funnel = write_shards(build, "extract", shards, entered, partial(_judge_shard, config, crawl))
    finally:
        _sandbox(config).close()
    characters, languages, licenses = 0, Counter[str](), Counter[str]()
    for batch in read_written(build, shards, ["text", "language", "license"]):
        characters += pc.sum(pc.utf8_length(batch["text"])).as_py() or 0
        languages.update(batch["language"].to_pylist())
        licenses.update(batch["license"].to_pylist())
    found = {"languages": dict(sorted(languages.items())), "licenses": dict(sorted(licenses.items()))}
    return Outcome({**funnel.stats(), "characters": characters, **found})


@lru_cache(maxsize=1)
def _sandbox(config: ExtractConfig) -> Sandbox:
    """This process's sandbox for pages: one for all its shards, since it takes longer to start than many pages."""
    return Sandbox(cpu_s=config.page_cpu_s, memory_mb=config.page_memory_mb)


def _judge_shard(config: ExtractConfig, crawl: Path, shard: int) -> Iterator[Document | Dropped]:
    for capture in read_captures(crawl, shard):
        found = _judge(capture, crawl, config)
        yield Dropped(capture.id, capture.url, found.reason, found.score) if isinstance(found, Refused) else found


def _judge(capture: Capture, crawl: Path, config: ExtractConfig) -> Document | Refused:
    if capture.kind == "revisit":
        return Refused("unchanged")
    try:
        payload = read_payload(crawl, capture)
        page = _sandbox(config)(read_page, payload, capture.content_type, capture.url, config)
    except SandboxError as error:
        return Refused("timeout", config.page_cpu_s) if error.is_timeout else Refused("extractor_failed")
    if isinstance(page, Refused):
        return page
    said = described(capture.content_type) if capture.kind == "resource" else {}
    language, score = identify_language(page.text, config.min_language_score)
    if tag := said.get("language"):
        language, score = tag.split("-")[0].lower(), 1.0
    is_unsure = language == UNDETERMINED and config.keep_undetermined
    if config.languages and language not in config.languages and not is_unsure:
        return Refused("language", score)
    return Document(
        id=capture.id,
        url=capture.url,
        text=page.text,
        snapshot=capture.snapshot,
        title=said.get("title") or page.title,
        language=language,
        language_score=score,
        license=said.get("license") or page.license,
    )


def described(content_type: str) -> dict[str, str]:
    """What a row of a table said about its document: parameters of the resource's content type (RFC 2231)."""
    message = Message()
    message["Content-Type"] = content_type
    parameters = message.get_params() or []
    return {name: collapse_rfc2231_value(value).strip() for name, value in parameters}
