"""The value that passes between assets: what was made, from what, and where it lies."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from resources.errors import LakeError

FINGERPRINT_BYTES = 16


@dataclass(frozen=True)
class Artifact:
    """A committed artifact: small, frozen, and the only thing that passes between assets.

    `fingerprint` says what it was made from, `digest` what it contains, `uri` where it lies,
    `parents` the fingerprints of its inputs. `stats` are counts that follow from the content.
    """

    stage: str
    partition: str | None
    fingerprint: str
    digest: str
    uri: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Its folder's name in the lake."""
        return f"{self.stage}/{self.fingerprint}"

    @property
    def path(self) -> Path:
        """Its folder on this machine.

        Raises:
            LakeError: if it lies on a remote store; `Lake.local` brings it here first.
        """
        parts = urlsplit(self.uri)
        if parts.scheme != "file":
            raise LakeError(f"{self.folder} lies at {self.uri}: fetch it with Lake.local before reading it")
        return Path(unquote(parts.path))


@dataclass(frozen=True)
class Recipe:
    """What an artifact is to be made from, before it exists; its fingerprint is the cache key.

    `kind` is "derived" for what stages compute (cache key: everything that decides the bytes) and
    "observed" for what came from outside (key: the source's spec and the partition; what was
    seen once stays seen, whatever version of the code looked).
    """

    stage: str
    partition: str | None
    config: Mapping[str, Any]
    kind: Literal["derived", "observed"] = "derived"
    version: int = 1
    engines: tuple[str, ...] = ()
    parents: tuple[Artifact, ...] = ()

    @property
    def folder(self) -> str:
        """The folder's name in the lake of what is made from it."""
        return f"{self.stage}/{self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        if self.kind == "observed":
            return blake2({"stage": self.stage, "config": dict(self.config), "partition": self.partition})
        made_from = {"version": self.version, "engines": engine_versions(self.engines)}
        parents = [parent.digest for parent in self.parents]
        return blake2({"stage": self.stage, **made_from, "config": dict(self.config), "parents": parents})


def blake2(value: Any) -> str:
    """Hex BLAKE2b of a value's canonical JSON (sorted keys, no spaces, UTF-8; RFC 8785 in spirit)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=FINGERPRINT_BYTES).hexdigest()


def content_digest(leaves: Sequence[tuple[str, str]]) -> str:
    """Digest of an artifact's content: BLAKE2b over its leaves (name, SHA-256) in name order.

    A tree of one level, so that a leaf can later become a tombstone that keeps its hash.
    """
    return blake2(sorted(leaves))


def engine_versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of the packages that decide a stage's bytes."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError as error:
            raise LakeError(f"the engine {name!r} is not installed; run `make install`") from error
    return found
