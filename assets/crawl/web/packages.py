"""Installed packages as files and metadata: where their sources lie, their version, licence and README."""

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from assets.crawl.web.config import STDLIB, host_of
from assets.crawl.web.docstrings import is_within
from resources.errors import SpecError

TOPICS = "topics"
_SKIPPED_FOLDERS = frozenset(
    {"tests", "test", "_vendor", "vendor", "vendored", "extern", "site-packages", "dist-packages", "__pycache__"}
    | {"idlelib", "lib2to3", "turtledemo", "ensurepip", "pydoc_data", "lib-dynload", "locale"}
)


@dataclass(frozen=True)
class Package:
    """What one host documents: an installed distribution, a part of one, or of the standard library.

    `sources` are (module, file) in module order. `license` is an SPDX expression where the package gives one, else
    the words that it gives.
    """

    reference: str
    name: str
    version: str
    license: str
    license_text: str
    summary: str
    readme: str
    readme_type: str
    sources: tuple[tuple[str, Path], ...]

    @property
    def host(self) -> str:
        return host_of(self.reference)


def find_package(reference: str, references: Sequence[str]) -> Package:
    """The package of a reference, without the modules that another reference claims for its own host.

    Raises SpecError if it is not installed, or has no such module.
    """
    distribution, _, module = reference.partition(":")
    inner = [r.partition(":")[2] for r in references if r != reference and r.startswith(f"{distribution}:")]
    claims = [claim for claim in inner if not module or claim.startswith(f"{module}.")]
    package = _standard_library(reference, module) if distribution == STDLIB else _installed(reference)
    chosen = [
        (name, file)
        for name, file in package.sources
        if (not module or is_within(name, module)) and not any(is_within(name, claim) for claim in claims)
    ]
    if module and not chosen:
        raise SpecError(f"packages: {reference!r} has no module {module}; name one that is installed")
    return replace(package, sources=tuple(sorted(chosen)))


def _installed(reference: str) -> Package:
    distribution, _, module = reference.partition(":")
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as error:
        raise SpecError(
            f"packages: {distribution!r} is not installed; install it or take it out of the spec"
        ) from error
    names = sorted(PurePosixPath(str(file)) for file in found.files or ())
    files = {name: Path(str(found.locate_file(str(name)))) for name in names}
    licenses = [file for name, file in files.items() if _is_license(name) and file.is_file()]
    about: Mapping[str, Any] = found.metadata.json
    return Package(
        reference,
        name=module or about["name"],
        version=found.version,
        license=_license(about),
        license_text=licenses[0].read_text("utf-8", "replace") if licenses else "",
        summary=about.get("summary", ""),
        readme="" if module else about.get("description", ""),
        readme_type=about.get("description_content_type", ""),
        sources=_sources(files),
    )


def _standard_library(reference: str, module: str) -> Package:
    root = Path(sysconfig.get_paths()["stdlib"])
    top = [module.partition(".")[0]] if module else sorted(sys.stdlib_module_names)
    paths = [f for name in top for f in (root / f"{name}.py", *sorted((root / name).rglob("*.py"))) if f.is_file()]
    sources = _sources({PurePosixPath(path.relative_to(root).as_posix()): path for path in paths})
    if module == TOPICS:
        sources = ((TOPICS, root / "pydoc_data" / "topics.py"),)
    license_file = root / "LICENSE.txt"
    return Package(
        reference,
        name={TOPICS: "Python language reference", "": "Python standard library"}.get(module, module),
        version=".".join(map(str, sys.version_info[:3])),
        license="PSF-2.0",
        license_text=license_file.read_text("utf-8", "replace") if license_file.is_file() else "",
        summary=f"Documentation of Python's {module or 'standard library'}",
        readme="",
        readme_type="",
        sources=sources,
    )


def _sources(files: Mapping[PurePosixPath, Path]) -> tuple[tuple[str, Path], ...]:
    """The Python files among these that document something to users, each with its module's name."""
    sources = []
    for name, file in files.items():
        *folders, _ = name.parts
        if (
            name.suffix in (".py", ".pyi")
            and name.parts[0] not in ("..", "bin", "examples", "docs")
            and not any(part in _SKIPPED_FOLDERS or part.endswith((".dist-info", ".data")) for part in folders)
            and not name.name.startswith(("test_", "conftest"))
            and not name.stem.endswith(("_pb2", "_pb2_grpc", "_test"))
        ):
            parts = folders if name.stem == "__init__" and folders else [*folders, name.stem]
            sources.append((".".join(parts), file))
    return tuple(sources)


def _license(about: Mapping[str, Any]) -> str:
    words = about.get("license", "").strip()
    if "license_expression" in about or (words and len(words) <= 60 and "\n" not in words):
        return str(about.get("license_expression", words))
    classifiers = [c for c in about.get("classifier", ()) if c.startswith("License ::")]
    return str(classifiers[-1]).rpartition(" :: ")[2] if classifiers else ""


def _is_license(file: PurePosixPath) -> bool:
    return ".dist-info" in file.parts[0] and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
