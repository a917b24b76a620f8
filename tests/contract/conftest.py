"""Two small crawls of real documentation, and every artifact that the lineage's document stages make of them."""

import ast
import hashlib
import html
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets.captures import CAPTURE_SCHEMA, Capture
from assets.documents import Dropped, document_id, schema_of, shard_of
from assets.stage import Inputs, Lineage, Stage
from pipelines.lineage import lineage_of
from pipelines.spec import load
from resources.artifact import Artifact, Recipe
from resources.build import Build, Outcome
from resources.journal import Journal
from resources.lake import Lake
from resources.store import Store

SNAPSHOTS = ("2026-01-05", "2026-01-12")
SHARDS = 2
MODULES = {"argparse": 10, "textwrap": 10, "difflib": 10, "statistics": 16, "calendar": 8}
SETTINGS = (
    "quality.split.held_out_hosts=[textwrap.docs.test]",
    "quality.classifier.min_examples=4",
    "quality.classifier.max_examples=40",
    "quality.classifier.buckets=4096",
    "tokenizer.vocab_size=320",
)
HOSTILE = {
    "http://odd.docs.test/empty": b"",
    "http://odd.docs.test/bytes": bytes(range(256)) * 8,
    "http://odd.docs.test/deep": b"<div>" * 400 + b"bottom",
    "http://odd.docs.test/unclosed": b"<html><body><p>It <b>never ends, and has \xff\xfe in it, and <|bos|> too",
    "http://odd.docs.test/controls": b"<p>" + "\x00\u202e\ufffd \u200b".encode() * 50,
    "http://odd.docs.test/one-word": b"<p>" + b"x" * 100_000,
}


def pages(snapshot: str) -> Iterator[tuple[str, bytes]]:
    """Docstrings of the standard library as HTML, a module a host; the second snapshot has pages of its own."""
    for module, count in MODULES.items():
        source = Path(sysconfig.get_path("stdlib"), f"{module}.py").read_text(encoding="utf-8")
        found = [
            (node.name, docstring)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(docstring := ast.get_docstring(node) or "") > 60
        ]
        half = found[:count] if snapshot == SNAPSHOTS[0] else found[count // 2 : 2 * count]
        for name, docstring in half:
            paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in docstring.split("\n\n"))
            title = f"<title>{name} - {module} docs</title><nav>Home | Index | Search</nav>"
            yield f"http://{module}.docs.test/{name}.html", f"{title}<main><h1>{name}</h1>{paragraphs}</main>".encode()
    yield from HOSTILE.items()


def crawl(build: Build, edition: str = "") -> Outcome:
    """Fill a build as the crawl stage does: one WARC file, its index by shard, and nothing dropped.

    The pages are those of the snapshot, or of another one (`edition`).
    """
    rows: list[list[dict[str, object]]] = [[] for _ in range(SHARDS)]
    snapshot = str(build.partition)
    found = dict(sorted(pages(edition or snapshot)))
    with build.file("warc/00000.warc.gz") as path, path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, body in found.items():
            offset = file.tell()
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            writer.write_record(writer.create_warc_record(url, "response", payload=BytesIO(body), http_headers=headers))
            capture = Capture(
                id=document_id(url, snapshot),
                url=url,
                snapshot=snapshot,
                kind="response",
                status=200,
                content_type="text/html; charset=utf-8",
                payload_sha256=hashlib.sha256(body).hexdigest(),
                etag="",
                last_modified="",
                file="warc/00000.warc.gz",
                offset=offset,
                length=file.tell() - offset,
            )
            rows[shard_of(url, SHARDS)].append(asdict(capture))
    for shard, captures in enumerate(rows):
        with build.file(f"captures/{shard:05}.parquet") as path:
            pq.write_table(pa.Table.from_pylist(captures, schema=CAPTURE_SCHEMA), path)
        with build.file(f"dropped/{shard:05}.parquet") as path:
            pq.write_table(pa.Table.from_pylist([], schema=schema_of(Dropped)), path)
    digest = hashlib.blake2b(repr(found).encode(), digest_size=16).hexdigest()
    return Outcome({"entered": len(found), "kept": len(found), "dropped": {}}, digest=digest)


class KilledError(BaseException):
    """The process ends here; no stage catches it."""


class KillingStore(Store):
    """A store whose process dies once a given number of files is in place."""

    def __init__(self, root: str | Path, files: int):
        super().__init__(root)
        self.left = files

    def put(self, source: Path, name: str) -> None:
        if self.left == 0:
            raise KilledError(name)
        self.left -= 1
        super().put(source, name)


@dataclass(frozen=True)
class World:
    """A lineage, and its artifacts by (asset, snapshot) as they come out with one worker and no kill."""

    lineage: Lineage
    lake: Lake
    known: dict[tuple[str, str], Artifact] = field(default_factory=dict)

    def inputs(self, stage: Stage, snapshot: str) -> Inputs:
        return self.lineage.inputs(stage, snapshot, self.known, self.lake, Journal(self.lake.store, self.lineage.model))

    def make(self, stage: Stage, snapshot: str, lake: Lake, workers: int = 1) -> tuple[Artifact, bool]:
        inputs = self.inputs(stage, snapshot)
        return lake.build(stage.recipe(snapshot, inputs), lambda build: stage.run(build, inputs), workers=workers)

    def last(self, stage: Stage) -> str:
        """The snapshot at which a stage is put to the test: the latest one that it runs at."""
        return SNAPSHOTS[0] if stage.made_once else SNAPSHOTS[1]


def spec_lineage() -> Lineage:
    return lineage_of(load("smoke", SETTINGS, environment={}).spec)


TESTED = [
    stage
    for stage in spec_lineage().stages
    if stage.is_documents or stage.name in ("quality_model", "tokenizer", "token_shards", "chat_pairs")
]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    made = World(spec_lineage(), Lake(root / "lake", root))
    for snapshot in SNAPSHOTS:
        recipe = Recipe("raw_crawl", snapshot, {"source": "documentation"}, kind="observed")
        made.known["raw_crawl", snapshot], _ = made.lake.build(recipe, crawl)
        for stage in TESTED:
            carried = made.lineage.carried_over(stage, snapshot, made.known)
            made.known[stage.name, snapshot] = carried or made.make(stage, snapshot, made.lake)[0]
    return made


@pytest.fixture
def damaged(world: World, tmp_path: Path):
    """A stage's inputs at its last snapshot, with the first Parquet file of its first parent cut short."""

    def damage(stage: Stage) -> tuple[Inputs, Path]:
        import shutil

        inputs = world.inputs(stage, world.last(stage))
        name, parents = next(iter(inputs.given.items()))
        folder = tmp_path / "damaged"
        shutil.copytree(parents[-1].path, folder)
        file = min(path for path in folder.rglob("*.parquet") if path.parent.name in ("captures", "documents"))
        file.write_bytes(file.read_bytes()[:-40])
        parent = replace(parents[-1], uri=folder.as_uri())
        return Inputs({**inputs.given, name: [*parents[:-1], parent]}), file

    return damage
