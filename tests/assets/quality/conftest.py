"""Real documentation, taken from the standard library's own docstrings, and builds to put it through."""

import ast
import hashlib
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assets.documents import Document, document_id, shard_of, write_shard
from resources.build import Build
from resources.store import Store

SNAPSHOT = "2026-01-05"
MODULES = (
    *("argparse", "ast", "bdb", "calendar", "cmd", "codecs", "configparser", "copy", "csv", "datetime", "difflib"),
    *("doctest", "enum", "fractions", "functools", "heapq", "inspect", "ipaddress", "logging/__init__", "optparse"),
    *("pathlib", "pickle", "queue", "random", "shutil", "smtplib", "statistics", "string", "subprocess", "tarfile"),
    *("tempfile", "textwrap", "threading", "typing", "unittest/case", "unittest/mock", "uuid", "zipfile"),
)


def make(url: str, text: str) -> Document:
    return Document(document_id(url, SNAPSHOT), url, text, SNAPSHOT)


@pytest.fixture
def page() -> Callable[[str, str], Document]:
    """Makes a document from its URL and text, as the stage before leaves it."""
    return make


@pytest.fixture(scope="session")
def documentation() -> list[Document]:
    """A few hundred docstrings of functions and classes, each module a host."""
    found = []
    for module in MODULES:
        source = Path(sysconfig.get_path("stdlib"), f"{module}.py")
        host = f"{module.partition('/')[0]}.python.docs.test"
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                docstring = ast.get_docstring(node) or ""
                if len(docstring.split()) >= 25:
                    found.append(make(f"http://{host}/{node.name}-{node.lineno}.html", f"# {node.name}\n\n{docstring}"))
    return found


@pytest.fixture
def new_build(tmp_path: Path) -> Callable[..., Build]:
    """Makes builds; the same name twice continues the same build."""

    def make_build(name: str, workers: int = 1) -> Build:
        return Build(Store(tmp_path / "lake"), name, tmp_path / "scratch" / name, workers=workers)

    return make_build


@pytest.fixture
def write_corpus(new_build: Callable[..., Build], tmp_path: Path) -> Callable[..., Path]:
    """Writes documents as the stage before does, in shards by URL, and gives the folder."""

    def write(documents: Sequence[Document], name: str = "cleaned", shards: int = 3) -> Path:
        build = new_build(name)
        in_order = sorted(documents, key=lambda document: document.url)
        for shard in range(shards):
            write_shard(build, lambda shard: [d for d in in_order if shard_of(d.url, shards) == shard], shard)
        return tmp_path / "lake" / name

    return write


@pytest.fixture
def hashes_of(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Gives name and SHA-256 of every file of a build."""

    def hash_files(name: str) -> dict[str, str]:
        folder = tmp_path / "lake" / name
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return hash_files
