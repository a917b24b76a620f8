"""Files in a folder of the lake, on local disk or an object store, with the few guarantees that the lake needs."""

import hashlib
import os
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem


def write_whole(path: Path, data: bytes) -> None:
    """Write a local file over the one that is there, if any; readers see the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    _write_synced(partial, data)
    os.replace(partial, path)


def _write_synced(path: Path, data: bytes) -> None:
    """Write bytes that are on the disk, not only on their way there, before the name that counts is given to them."""
    with path.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


class Store:
    """A root on any fsspec filesystem: whole-file writes, create-if-absent, listing, hashing.

    Object stores cannot rename, so nothing here relies on it: a file appears whole by `put`
    (an atomic replace on disk, an upload elsewhere) and a name is claimed by `create`.
    """

    def __init__(self, root: str | Path):
        self.fs, self.root = fsspec.core.url_to_fs(str(root))
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def key(self, name: str) -> str:
        return f"{self.root}/{name}" if name else str(self.root)

    def uri(self, name: str) -> str:
        return Path(self.key(name)).as_uri() if self.is_local else str(self.fs.unstrip_protocol(self.key(name)))

    def exists(self, name: str) -> bool:
        return bool(self.fs.exists(self.key(name)))

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None where there is none."""
        try:
            return bytes(self.fs.cat_file(self.key(name)))
        except FileNotFoundError:
            return None

    def put(self, source: Path, name: str) -> None:
        """Move a whole local file to its name; readers see all of it or nothing."""
        if self.is_local:
            target = Path(self.key(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(source, target)
        else:
            self.fs.put_file(str(source), self.key(name))
            source.unlink()

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to a local path, whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
        self.fs.get_file(self.key(name), str(partial))
        os.replace(partial, target)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not exist yet; False where someone else was first.

        On disk the bytes are complete before the name appears (hard link), so a kill leaves no
        half file; object stores give the same by a conditional put (s3fs from 2025.7, gcsfs from 2024.12).
        """
        if not self.is_local:
            try:
                self.fs.pipe_file(self.key(name), data, mode="create")
            except FileExistsError:
                return False
            return True
        target = Path(self.key(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            _write_synced(partial, data)
            os.link(partial, target)
        except FileExistsError:
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    def replace(self, name: str, data: bytes) -> None:
        """Write a small file over the one that is there, whole."""
        if self.is_local:
            write_whole(Path(self.key(name)), data)
        else:
            self.fs.pipe_file(self.key(name), data)

    def remove(self, name: str) -> None:
        """Delete a file or a folder with all that is in it; nothing happens where it is not."""
        if self.exists(name):
            self.fs.rm(self.key(name), recursive=True)

    def move(self, name: str, to: str) -> None:
        self.fs.makedirs(self.key(to).rsplit("/", 1)[0], exist_ok=True)
        self.fs.mv(self.key(name), self.key(to), recursive=True)

    def names(self, folder: str) -> list[str]:
        """Names of all files below a folder, relative to it, sorted; dot files are nobody's content."""
        prefix = self.key(folder).rstrip("/") + "/"
        self.fs.invalidate_cache()
        found = (str(path)[len(prefix) :] for path in self.fs.find(self.key(folder)))
        return sorted(name for name in found if not name.rsplit("/", 1)[-1].startswith("."))

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        self.fs.invalidate_cache()
        listed = self.fs.ls(self.key(folder), detail=True) if self.exists(folder) else []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in listed if entry["type"] == "directory")

    def size(self, name: str) -> int | None:
        try:
            return int(self.fs.info(self.key(name))["size"])
        except FileNotFoundError:
            return None

    def sha256(self, name: str) -> str:
        with self.fs.open(self.key(name), "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
