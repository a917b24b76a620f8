"""Small corpora on disk, builds that can be killed, and what lies in a folder."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assets.documents import Document, document_id, shard_of, write_shard
from resources.build import Build
from resources.store import Store

SNAPSHOT = "2026-01-05"
WORDS = (
    "return",
    "the",
    "array",
    "of",
    "values",
    "in",
    "given",
    "order",
    "as",
    "new",
    "list",
    "where",
    "each",
    "is",
    "less",
)


class KilledError(Exception):
    """The process ends here."""


class KillingStore(Store):
    """A store that counts what is put, and kills the writer before a given one."""

    def __init__(self, root: Path, puts: int | None = None):
        super().__init__(root)
        self.left, self.put_names = puts, Counter[str]()

    def put(self, source: Path, name: str) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KilledError(name)
            self.left -= 1
        super().put(source, name)
        self.put_names[name] += 1


@dataclass(frozen=True)
class Corpora:
    """Writes corpora and opens builds below one folder."""

    root: Path

    def build(self, name: str, *, workers: int = 1, store: Store | None = None) -> Build:
        (self.root / name).mkdir(exist_ok=True)
        return Build(store or Store(self.root), name, self.root / "scratch" / name, workers=workers)

    def corpus(self, name: str, documents: Iterable[Document], shards: int = 3) -> Path:
        documents = list(documents)
        for shard in range(shards):
            write_shard(
                self.build(name), lambda shard: [d for d in documents if shard_of(d.url, shards) == shard], shard
            )
        return self.root / name


def page(url: str, text: str, split: str | None = "train", title: str = "") -> Document:
    return Document(document_id(url, SNAPSHOT), url, text, SNAPSHOT, title=title, split=split)


def prose(count: int, split: str = "train", host: str = "a.docs.test") -> list[Document]:
    """Pages of made-up documentation, with code, numbers and headings."""
    draw = random.Random(f"{host} {split}")
    pages = []
    for number in range(count):
        sentence = " ".join(draw.choices(WORDS, k=12)).capitalize()
        code = f"```\ndef f{number}(x):\n        return x + {draw.randrange(10**6)}\n```"
        text = f"# a.object_{number}(x, y={number})\n\n{sentence}. Since {2000 + number}.\n\n{code}\n\nThe end of it."
        pages.append(page(f"http://{host}/{number}", text, split))
    return pages


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
