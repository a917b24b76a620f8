"""Files that are either whole or absent, whatever is killed and whenever; the same content gives the same bytes."""

import json
import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, flush it to the disk, then put it in place by a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")  # one name, so that the next attempt replaces what a kill left
    write(draft)
    sync(draft)
    draft.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, line ends as they are."""
    write_whole(path, lambda draft: draft.write_bytes(text.encode()))


def write_json(path: Path, value: object, indent: int = 2) -> None:
    """Write indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
