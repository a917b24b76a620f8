"""The files of a source, wherever fsspec finds them, under names that hold on any machine."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from typing import IO, Any

import fsspec
from fsspec.core import OpenFile, url_to_fs
from fsspec.utils import infer_compression

from assets.crawl.sources import FileSource, JsonlSource, WarcSource
from resources.errors import InputError

LISTS = (".paths", ".paths.gz")


@dataclass(frozen=True)
class SourceFile:
    """A file at `path` of `fs`, and its `name` relative to what all files of the source have in common."""

    name: str
    path: str
    fs: Any

    @contextmanager
    def open(self, source: FileSource) -> Iterator[IO[bytes]]:
        """The file's bytes, unpacked if it is JSONL (WARC and Parquet pack their own records).

        Raises InputError if it cannot be opened.
        """
        compression = infer_compression(self.path) if isinstance(source, JsonlSource) else None
        try:
            stream = OpenFile(self.fs, self.path, "rb", compression).open()
        except OSError as error:
            raise InputError(f"crawl.source.paths: {self.path} cannot be read ({error})") from error
        with stream:
            yield stream


def source_files(source: FileSource) -> list[SourceFile]:
    """The files of a source in the order of their names; entries of Common Crawl lists are named as listed.

    Raises InputError if a path matches no file.
    """
    listed: dict[str, SourceFile] = {}
    found: dict[str, Any] = {}
    for path in source.paths:
        if isinstance(source, WarcSource) and path.endswith(LISTS):
            for entry in _read_list(path):
                listed[entry] = SourceFile(entry, *reversed(url_to_fs(_join(source.prefix, entry))))
            continue
        fs, plain = url_to_fs(path)
        files = [match for match in (fs.glob(plain) if has_magic(plain) else [plain]) if fs.isfile(match)]
        if not files:
            raise InputError(f"crawl.source.paths: {path} matches no file")
        found.update((file, fs) for file in files)
    folder = posixpath.commonpath([posixpath.dirname(path) for path in found]) if found else ""
    named = [SourceFile(posixpath.relpath(path, folder or "."), path, fs) for path, fs in found.items()]
    return sorted([*listed.values(), *named], key=lambda file: file.name)


def _read_list(path: str) -> list[str]:
    try:
        with fsspec.open(path, "rt", compression="infer", encoding="utf-8") as lines:
            return [entry for entry in map(str.strip, lines) if entry]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"crawl.source.paths: the list {path} cannot be read ({error})") from error


def _join(prefix: str, entry: str) -> str:
    return entry if "://" in entry else f"{prefix.rstrip('/')}/{entry.lstrip('/')}"
