"""Installed packages as files and metadata: where their sources lie, their version, licence and README."""

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath

from assets.crawl.web.config import STDLIB, host_of
from resources.errors import SpecError

TOPICS = "topics"
_SKIPPED_FOLDERS = frozenset(
    {"tests", "test", "_vendor", "vendor", "vendored", "extern", "site-packages", "dist-packages", "__pycache__"}
    | {"idlelib", "lib2to3", "turtledemo", "ensurepip", "pydoc_data", "lib-dynload", "locale"}
)


@dataclass(frozen=True)
class Package:
    """What one host documents: an installed distribution, a part of one, or of the standard library.

    `sources` are (module, file) in module order. `license` is an SPDX expression where the
    package gives one, else the words that it gives. `catalogues` are its German and French
    gettext files by language.
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
    catalogues: Mapping[str, Path] = field(default_factory=dict)

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
    if distribution == STDLIB:
        return _standard_library(reference, module, claims)
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as error:
        raise SpecError(
            f"packages: {distribution!r} is not installed; install it or take it out of the spec"
        ) from error
    files = sorted(PurePosixPath(str(file)) for file in found.files or ())
    sources = [(_module_name(file), Path(str(found.locate_file(str(file))))) for file in files if _is_source(file)]
    chosen = _choose(reference, module, claims, sources)
    about = found.metadata
    return Package(
        reference,
        name=module or about["Name"],
        version=found.version,
        license=_license(about),
        license_text=_first_text([file for file in files if _is_license(file)], found),
        summary=_field(about, "Summary"),
        readme="" if module else _field(about, "Description"),
        readme_type=_field(about, "Description-Content-Type"),
        sources=chosen,
        catalogues={
            language: Path(str(found.locate_file(str(file))))
            for language in ("de", "fr")
            for file in files
            if file.suffix == ".mo" and file.parts[-3:-2] in ((language,), (f"{language}_{language.upper()}",))
        },
    )


def _standard_library(reference: str, module: str, claims: Sequence[str]) -> Package:
    root = Path(sysconfig.get_paths()["stdlib"])
    version = ".".join(map(str, sys.version_info[:3]))
    if module == TOPICS:
        sources: tuple[tuple[str, Path], ...] = ((TOPICS, root / "pydoc_data" / "topics.py"),)
    else:
        top = [module.partition(".")[0]] if module else sorted(sys.stdlib_module_names)
        files = [f for name in top for f in (root / f"{name}.py", *sorted((root / name).rglob("*.py"))) if f.is_file()]
        relative = [(PurePosixPath(file.relative_to(root).as_posix()), file) for file in files]
        sources = _choose(
            reference, module, claims, [(_module_name(name), file) for name, file in relative if _is_source(name)]
        )
    license_file = root / "LICENSE.txt"
    text = license_file.read_text("utf-8", "replace") if license_file.is_file() else ""
    summary = f"Documentation of Python's {module or 'standard library'}"
    name = {TOPICS: "Python language reference", "": "Python standard library"}.get(module, module)
    return Package(reference, name, version, "PSF-2.0", text, summary, "", "", sources)


def _choose(
    reference: str, module: str, claims: Sequence[str], sources: Sequence[tuple[str, Path]]
) -> tuple[tuple[str, Path], ...]:
    def is_within(name: str, ancestor: str) -> bool:
        return not ancestor or name == ancestor or name.startswith(ancestor + ".")

    chosen = [s for s in sources if is_within(s[0], module) and not any(is_within(s[0], claim) for claim in claims)]
    if module and not chosen:
        raise SpecError(f"packages: {reference!r} has no module {module}; name one that is installed")
    return tuple(sorted(chosen))


def _is_source(file: PurePosixPath) -> bool:
    return (
        file.suffix in (".py", ".pyi")
        and file.parts[0] not in ("..", "bin", "examples", "docs")
        and not any(part in _SKIPPED_FOLDERS or part.endswith((".dist-info", ".data")) for part in file.parts[:-1])
        and not file.name.startswith(("test_", "conftest"))
        and not file.stem.endswith(("_pb2", "_pb2_grpc", "_test"))
    )


def _module_name(file: PurePosixPath) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _license(about: metadata.PackageMetadata) -> str:
    expression, words = _field(about, "License-Expression"), _field(about, "License").strip()
    if expression or (words and len(words) <= 60 and "\n" not in words):
        return expression or words
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    return str(classifiers[-1]).rpartition(" :: ")[2] if classifiers else ""


def _field(about: metadata.PackageMetadata, name: str) -> str:
    """The first value of a metadata field, empty where there is none."""
    return str(next(iter(about.get_all(name) or ()), ""))


def _is_license(file: PurePosixPath) -> bool:
    return ".dist-info" in file.parts[0] and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))


def _first_text(files: Sequence[PurePosixPath], found: metadata.Distribution) -> str:
    for file in files:
        path = Path(str(found.locate_file(str(file))))
        if path.is_file():
            return path.read_text("utf-8", "replace")
    return ""
