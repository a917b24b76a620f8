"""What each stage's logic was when its VERSION was last decided: `python -m tests.version_lock --accept STAGE`.

A stage's logic is the code that its `run` function reaches: imports are followed statically within
`assets/` and `llm_core/`, not into `resources/`. It is hashed as a syntax tree without docstrings,
comments and layout, the same under every Python that the project supports.
"""

import argparse
import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from assets.stage import Stage
from pipelines.lineage import lineage_of, monitoring_of
from pipelines.spec import load

ROOT = Path(__file__).parent.parent
LOCK = Path(__file__).with_suffix(".json")
ROOMS = ("assets", "llm_core")
ORCHESTRATION = {"assets.stage", "assets.exhibits", "assets.accounting", "assets.champion", "assets.plots"}
"""Modules that decide what is built, checked and shown, but no byte of what comes out."""

PLUGINS = Path("assets/quality/rules")
"""A folder whose modules are all loaded by whoever imports it."""


@dataclass(frozen=True)
class Logic:
    """A stage's VERSION, and the hash of each piece of code that decides what it makes."""

    version: int
    code: dict[str, str]


def stages() -> list[Stage]:
    """Every stage there is, of the lineage and of monitoring."""
    spec = load("smoke", environment={}).spec
    return [*lineage_of(spec).stages, *monitoring_of(spec, Path("requests")).stages]


def logic_of(stage: Stage) -> Logic:
    """The present logic of a stage: its `run`, and every module that this reaches."""
    file = Path(inspect.getfile(stage.run)).relative_to(ROOT)
    module = parse(file)
    factory = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == stage.name)
    run = next(node for node in factory.body if isinstance(node, ast.FunctionDef) and node.name == "run")
    own = [run, *_definitions_used(run, module)]
    reached: set[Path] = set()
    front = [path for node in own for path in _imported(node)]
    while front:
        path = front.pop()
        if path not in reached:
            reached.add(path)
            front += _imports_of(path)
    code = {f"{file}:{stage.name}": hash_of(*own), **{str(path): _hash_of_file(path) for path in reached}}
    return Logic(stage.version, dict(sorted(code.items())))


def hash_of(*nodes: ast.AST) -> str:
    """A short hash of code: of its syntax tree, without bare strings (docstrings)."""
    return hashlib.blake2b(repr([_plain(node) for node in nodes]).encode(), digest_size=6).hexdigest()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def _imports_of(path: Path) -> tuple[Path, ...]:
    return tuple(_imported(parse(path)))


@cache
def _hash_of_file(path: Path) -> str:
    return hash_of(parse(path))


def read_lock() -> dict[str, Logic]:
    return {name: Logic(**values) for name, values in json.loads(LOCK.read_text()).items()}


def write_lock(lock: dict[str, Logic]) -> None:
    LOCK.write_text(json.dumps({name: asdict(lock[name]) for name in sorted(lock)}, indent=1) + "\n")


def _plain(value: object) -> object:
    """A syntax tree as tuples; empty fields are left out, since Python's versions differ in which they have."""
    if isinstance(value, ast.AST):
        fields = ((name, _plain(inner)) for name, inner in ast.iter_fields(value) if name not in ("ctx", "kind"))
        return (type(value).__name__, *((name, inner) for name, inner in fields if inner not in (None, ())))
    if isinstance(value, list):
        return tuple(_plain(inner) for inner in value if not _is_bare_string(inner))
    return value


def _is_bare_string(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _definitions_used(run: ast.AST, module: ast.Module) -> list[ast.stmt]:
    """What the stage's own file defines and `run` uses, by name; what those use too."""
    found: list[ast.stmt] = []
    front = [run]
    while front:
        used = {node.id for node in ast.walk(front.pop()) if isinstance(node, ast.Name)}
        for statement in module.body:
            if statement not in found and used & set(_names_defined(statement)):
                found.append(statement)
                front.append(statement)
    return sorted(found, key=lambda statement: statement.lineno)


def _names_defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in statement.names)


def _imported(tree: ast.AST) -> Iterator[Path]:
    """The files of our rooms that a piece of code imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = Path(*name.split(".")).with_suffix(".py")
            if name.split(".")[0] in ROOMS and name not in ORCHESTRATION and (ROOT / path).is_file():
                yield path
        if any(alias.name == PLUGINS.name for alias in node.names):
            yield from (path.relative_to(ROOT) for path in sorted((ROOT / PLUGINS).glob("*.py")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.version_lock", description=__doc__)
    parser.add_argument("--accept", metavar="STAGE", required=True, nargs="+", help="stages by name, or `all`")
    wanted = parser.parse_args().accept
    known = {stage.name: stage for stage in stages()}
    unknown = set(wanted) - {*known, "all"}
    if unknown:
        sys.stderr.write(f"there is no stage {', '.join(sorted(unknown))}; there are {', '.join(known)}\n")
        return 2
    lock = {name: logic for name, logic in (read_lock() if LOCK.exists() else {}).items() if name in known}
    names = known if "all" in wanted else wanted
    write_lock({**lock, **{name: logic_of(known[name]) for name in names}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
