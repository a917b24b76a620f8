"""The clean stage: every document with sound characters, without its host's boilerplate, personal data masked."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from assets.clean.boilerplate import repeated_lines, without_lines
from assets.clean.characters import repair_characters, tidy_lines
from assets.clean.config import CleanConfig
from assets.documents import Document, Dropped, count_documents, read_documents, shard_names, write_shards
from assets.pii import mask_pii
from assets.split import host_of
from resources.build import Build, Outcome

BOILERPLATE = "boilerplate.bin"


def clean(build: Build, config: CleanConfig, documents: Path, earlier: Path | None = None) -> Outcome:
    """Fill the build with the cleaned documents, in two passes: lines counted by host, then texts cleaned.

    What was boilerplate in the `earlier` cleaned artifact still is: a later snapshot has too few of a
    host's pages to show it. Drops `empty_after_cleaning`: documents in which no letter or digit is
    left. Stats add up what was done to all documents, dropped ones included; each shard's share
    lies in `counts/`.
    """
    known = np.fromfile(earlier / BOILERPLATE, "<u8").tolist() if earlier else []
    repeated = repeated_lines(build, config, documents).union(known)
    build.write(BOILERPLATE, np.array(sorted(repeated), "<u8").tobytes())
    shards = shard_names(documents)
    judge = partial(_judge_shard, build, config, repeated, shards)
    funnel = write_shards(build, "clean", len(shards), count_documents(documents), judge)
    done: Counter[str] = Counter()
    for shard in range(len(shards)):
        with build.local(_counts_name(shard)) as path:
            done.update(json.loads(path.read_bytes()))
    names = ("characters_removed", "lines_repaired", "lines_removed")
    pii = {kind: done[f"pii_{kind}"] for kind in config.pii}
    return Outcome({**funnel.stats(), **{name: done[name] for name in names}, "pii": pii})


def clean_text(text: str, host: str, repeated: Collection[int], config: CleanConfig) -> tuple[str, Counter[str]]:
    """A cleaned text, and counts of what was done to it; `repeated` are the hashes of its host's boilerplate lines."""
    repaired = repair_characters(text, repair_mojibake=config.repair_mojibake)
    body, lines_removed = without_lines(repaired.text, host, repeated)
    masked = mask_pii(tidy_lines(body, config.max_blank_lines), config.pii)
    done = Counter({f"pii_{kind}": count for kind, count in masked.counts.items()})
    done["characters_removed"] = repaired.characters_removed
    done["lines_repaired"] = repaired.lines_repaired
    done["lines_removed"] = lines_removed
    return masked.text, done


def _judge_shard(
    build: Build, config: CleanConfig, repeated: Collection[int], shards: list[Path], shard: int
) -> Iterator[Document | Dropped]:
    done: Counter[str] = Counter()
    for document in read_documents([shards[shard]]):
        text, done_to_text = clean_text(document.text, host_of(document.url), repeated, config)
        title, done_to_title = clean_text(document.title, "", (), config)
        done += done_to_text + done_to_title
        if any(character.isalnum() for character in text):
            yield replace(document, text=text, title=title)
        else:
            yield Dropped(document.id, document.url, "empty_after_cleaning", 0.0)
    build.write(_counts_name(shard), json.dumps(done, sort_keys=True))


def _counts_name(shard: int) -> str:
    return f"counts/{shard:05}.json"
