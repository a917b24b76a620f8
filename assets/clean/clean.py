"""The clean stage: every document with sound characters, without its host's boilerplate, personal data masked."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from assets.clean.boilerplate import host_of, repeated_lines, without_lines
from assets.clean.characters import repair_characters, tidy_lines
from assets.clean.config import CleanConfig
from assets.documents import ShardWriter, count_documents, is_written, read_documents, shard_names, tally
from assets.pii import mask_pii
from resources.build import Build, Outcome
from resources.compute import run_tasks


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned text and what was done to it; `masked` counts personal data by kind."""

    text: str
    characters_removed: int = 0
    lines_repaired: int = 0
    lines_removed: int = 0
    masked: Counter[str] = field(default_factory=Counter)

    def counts(self) -> Counter[str]:
        done: Counter[str] = Counter({f"pii_{kind}": count for kind, count in self.masked.items()})
        done["characters_removed"] = self.characters_removed
        done["lines_repaired"] = self.lines_repaired
        done["lines_removed"] = self.lines_removed
        return done


def clean(build: Build, config: CleanConfig, documents: Path) -> Outcome:
    """Fill the build with the cleaned documents, in two passes: lines counted by host, then texts cleaned.

    Drops `empty_after_cleaning`: documents in which no letter or digit is left. Stats add up what
    was done to all documents, dropped ones included; each shard's share lies in `counts/`.
    """
    repeated = repeated_lines(build, config, documents)
    shards = shard_names(documents)
    run_tasks(build, "clean", len(shards), partial(_clean_shard, build, config, repeated, shards))
    funnel = tally(build, len(shards), entered=count_documents(documents))
    done: Counter[str] = Counter()
    for shard in range(len(shards)):
        with build.local(_counts_name(shard)) as path:
            done.update(json.loads(path.read_bytes()))
    names = ("characters_removed", "lines_repaired", "lines_removed")
    pii = {kind: done[f"pii_{kind}"] for kind in config.pii}
    return Outcome({**funnel.stats(), **{name: done[name] for name in names}, "pii": pii})


def clean_text(text: str, host: str, repeated: Collection[int], config: CleanConfig) -> Cleaned:
    """Clean one text; `repeated` are the hashes of its host's boilerplate lines."""
    repaired = repair_characters(text, repair_mojibake=config.repair_mojibake)
    body, lines_removed = without_lines(repaired.text, host, repeated)
    masked = mask_pii(tidy_lines(body, config.max_blank_lines), config.pii, mask_examples=config.mask_examples)
    return Cleaned(
        masked.text,
        repaired.characters_removed,
        repaired.lines_repaired,
        lines_removed,
        Counter({str(kind): count for kind, count in masked.counts.items()}),
    )


def _clean_shard(build: Build, config: CleanConfig, repeated: Collection[int], shards: list[Path], shard: int) -> None:
    if is_written(build, shard):
        return
    done: Counter[str] = Counter()
    with ShardWriter(build, shard) as writer:
        for document in read_documents([shards[shard]]):
            cleaned = clean_text(document.text, host_of(document.url), repeated, config)
            title = clean_text(document.title, "", (), config)
            done += cleaned.counts() + title.counts()
            if any(character.isalnum() for character in cleaned.text):
                writer.keep(replace(document, text=cleaned.text, title=title.text))
            else:
                writer.drop(document, "empty_after_cleaning", 0.0)
        build.write(_counts_name(shard), json.dumps(done, sort_keys=True))


def _counts_name(shard: int) -> str:
    return f"counts/{shard:05}.json"
