"""The lake: every artifact, found by the fingerprint of what it was made from.

A folder `<root>/<stage>/<fingerprint>/` with a `manifest.json` is whole; nothing else is ever
read. The manifest is written last and only if absent, so that a kill leaves no half artifact and
the loser of a race changes nothing, on disks and on object stores alike.
"""

import itertools
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resources.artifact import Artifact, Recipe, blake2, content_digest, engine_versions
from resources.build import PARTIAL, Build, Launch, Outcome, Progress, launch_plainly, silent
from resources.errors import LakeError
from resources.lease import alone, lease
from resources.store import Store, write_whole

MANIFEST = "manifest.json"
SCHEMA = 1
log = logging.getLogger(__name__)

Run = Callable[[Build], Outcome]


@dataclass(frozen=True)
class Damage:
    """A committed file that is not what its manifest says."""

    artifact: Artifact
    file: str
    reason: str


class Lake:
    """Artifacts under `root` (a path or any fsspec URL); `home` holds what is local to this machine."""

    def __init__(self, root: str | Path, home: Path):
        self.store = Store(root)
        self.home = home

    # finding

    def find(self, recipe: Recipe) -> Artifact | None:
        """The committed artifact of this recipe, or None; a damaged one is set aside and named."""
        artifact = self._trusted(recipe.folder)
        return replace(artifact, partition=recipe.partition) if artifact is not None else None

    def get(self, fingerprint: str) -> Artifact | None:
        """The committed artifact with this fingerprint, of whatever stage; a damaged one is set aside and named."""
        found = (self._trusted(f"{stage}/{fingerprint}") for stage in self.stages())
        return next((artifact for artifact in found if artifact is not None), None)

    def stages(self) -> list[str]:
        """The stages that have a folder in the lake."""
        return [name for name in self.store.folders("") if name[0] != "." and name not in ("aside", "journal", "pins")]

    def artifacts(self, stage: str | None = None) -> Iterator[Artifact]:
        """All committed artifacts (of one stage), in the order of their names."""
        found = (self._read(folder) for folder in self._folders([stage] if stage else self.stages()))
        yield from (artifact for artifact in found if artifact is not None)

    def manifest(self, artifact: Artifact) -> dict[str, Any]:
        """The artifact's manifest as written at commit."""
        data = self.store.read(f"{artifact.folder}/{MANIFEST}")
        if data is None:
            raise LakeError(f"{artifact.folder} has no manifest any more; `tidemill run` rebuilds it")
        return dict(json.loads(data))

    def size_bytes(self, artifact: Artifact) -> int:
        """Bytes of all its files."""
        return sum(int(file["size"]) for file in self.manifest(artifact)["files"])

    def age_key(self, artifact: Artifact) -> float:
        """When the artifact was committed, as the store has it, to tell older from newer (seconds since 1970)."""
        info = self.store.fs.info(self.store.key(f"{artifact.folder}/{MANIFEST}"))
        when = info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created") or 0.0
        return float(when.timestamp()) if hasattr(when, "timestamp") else float(when)

    def local(self, artifact: Artifact) -> Artifact:
        """The same artifact with its files on this machine (a remote one is fetched and checked once)."""
        if self.store.is_local:
            return artifact
        cache = Store(self.home / "cache")
        if not cache.exists(f"{artifact.folder}/{MANIFEST}"):
            names = [f"{artifact.folder}/{file['name']}" for file in self.manifest(artifact)["files"]]
            for name in names:
                self.store.fetch(name, Path(cache.key(name)))
            damage = self._damage(artifact, cache)
            if damage:
                self.set_aside(artifact, damage)
                raise LakeError(
                    f"{artifact.folder}/{damage[0].file} differs from its manifest; "
                    "it was set aside: run again to rebuild it"
                )
            manifest = f"{artifact.folder}/{MANIFEST}"
            self.store.fetch(manifest, Path(cache.key(manifest)))
        return replace(artifact, uri=cache.uri(artifact.folder))

    # building

    def build(
        self,
        recipe: Recipe,
        run: Run,
        *,
        workers: int = 1,
        report: Callable[[Progress], None] = silent,
        launch: Launch = launch_plainly,
    ) -> tuple[Artifact, bool]:
        """The artifact of a recipe, and whether it was there already; `run` fills it if not.

        Where another process builds the same fingerprint, this one waits and takes the result. A
        build that was killed is continued from the files that it left in place.
        """
        found = self.find(recipe)
        if found is not None:
            return found, True
        claim = f".leases/{recipe.fingerprint}"

        def finished() -> bool:
            report(Progress("waiting for another process that makes it", 0, None, "done"))
            return self.store.exists(f"{recipe.folder}/{MANIFEST}")

        with lease(self.store, claim, finished=finished) as is_mine:
            found = self.find(recipe)
            if found is not None:
                return found, True
            if not is_mine:
                raise LakeError(
                    f"{recipe.folder} was finished by another process and then damaged; run again to rebuild it"
                )
            scratch = self._scratch(recipe.fingerprint)
            build = Build(self.store, recipe.folder, scratch, recipe.partition, workers, report, launch)
            return self._commit(recipe, build, run(build)), False

    def _commit(self, recipe: Recipe, build: Build, outcome: Outcome) -> Artifact:
        paths = {name: f"{build.folder}/{name}" for name in self.store.names(build.folder) if name != MANIFEST}
        files = [
            {"name": name, "size": self.store.size(path), "sha256": self.store.sha256(path)}
            for name, path in paths.items()
        ]
        manifest = {
            "schema": SCHEMA,
            "kind": recipe.kind,
            "stage": recipe.stage,
            "version": recipe.version,
            "partition": recipe.partition,
            "fingerprint": recipe.fingerprint,
            "digest": outcome.digest or content_digest([(str(file["name"]), str(file["sha256"])) for file in files]),
            "config": dict(recipe.config),
            "engines": engine_versions(recipe.engines),
            "parents": [
                {"stage": p.stage, "partition": p.partition, "fingerprint": p.fingerprint, "digest": p.digest}
                for p in recipe.parents
            ],
            "environment": {"python": platform.python_version(), "machine": platform.machine(), **outcome.environment},
            "stats": dict(outcome.stats),
            "files": files,
        }
        manifest["seal"] = blake2(manifest)
        self.store.create(f"{build.folder}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True).encode())
        shutil.rmtree(build.scratch, ignore_errors=True)
        artifact = self._read(build.folder)
        if artifact is None:
            raise LakeError(f"{build.folder}/{MANIFEST} vanished at commit: is something else deleting in the lake?")
        self._stamp(artifact)
        return replace(artifact, partition=recipe.partition)

    def _scratch(self, fingerprint: str) -> Path:
        # On a local lake scratch lies beside the artifacts, so that putting a file in place is a rename.
        parent = Path(self.store.key(".building")) if self.store.is_local else self.home / "scratch"
        folder = parent / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)
        return folder

    # trust

    def verify(self) -> Iterator[Damage | Artifact]:
        """Hash every committed byte: yields each artifact, preceded by what is damaged in it."""
        for folder in self._folders(self.stages()):
            found = self._parse(folder)
            if isinstance(found, Artifact):
                damage = self._damage(found, self.store)
                if damage:  # though it looks as it did when it was hashed: so that the next run mends it
                    self.forget(found)
                yield from damage
            if found is not None:
                yield found

    def forget(self, artifact: Artifact) -> None:
        """Drop what this machine keeps about an artifact: that it was found whole, and the copy that was fetched."""
        self._stamp_file(artifact).unlink(missing_ok=True)
        Store(self.home / "cache").remove(artifact.folder)

    def set_aside(self, artifact: Artifact, damage: Collection[Damage]) -> None:
        """Move a damaged artifact where nothing reads it, and say so."""
        with alone(self.store):
            if not self.store.exists(f"{artifact.folder}/{MANIFEST}"):
                return  # another process did, and may be building it again in this folder
            names = (f"aside/{artifact.stage}-{artifact.fingerprint}-{number}" for number in itertools.count())
            target = next(name for name in names if not self.store.exists(name))
            for entry in damage:
                told = f"the artifact is set aside in {target} and will be rebuilt"
                log.warning("%s/%s: %s; %s", artifact.folder, entry.file, entry.reason, told)
            self.store.move(artifact.folder, target)

    def _trusted(self, folder: str) -> Artifact | None:
        artifact = self._read(folder)
        damage = self._changed(artifact) if artifact is not None else []
        if artifact is None or not damage:
            return artifact
        self.set_aside(artifact, damage)
        return None

    def _damage(self, artifact: Artifact, store: Store) -> list[Damage]:
        """What is not as the manifest says, among the artifact's files in a store."""
        found = []
        for entry in self.manifest(artifact)["files"]:
            name = f"{artifact.folder}/{entry['name']}"
            if not store.exists(name):
                found.append(Damage(artifact, entry["name"], "it is missing"))
            elif store.sha256(name) != entry["sha256"]:
                found.append(Damage(artifact, entry["name"], "its bytes differ from the manifest"))
        return found

    def _changed(self, artifact: Artifact) -> list[Damage]:
        """Damage since the files were last hashed: cheap while size and time stamps are as they were."""
        if not self.store.is_local:
            sizes = {entry["name"]: entry["size"] for entry in self.manifest(artifact)["files"]}
            wrong = [name for name, size in sizes.items() if self.store.size(f"{artifact.folder}/{name}") != size]
            return [Damage(artifact, name, "its size differs from the manifest") for name in wrong]
        try:
            if json.loads(self._stamp_file(artifact).read_bytes()) == self._stats(artifact):
                return []
        except (FileNotFoundError, ValueError):
            pass  # never stamped, a stamp that a power cut left empty, or a file is gone
        damage = self._damage(artifact, self.store)
        if not damage:
            self._stamp(artifact)
        return damage

    def _stamp_file(self, artifact: Artifact) -> Path:
        return self.home / "trusted" / f"{artifact.fingerprint}.json"

    def _stats(self, artifact: Artifact) -> dict[str, list[int]]:
        names = [*(entry["name"] for entry in self.manifest(artifact)["files"]), MANIFEST]
        found = {name: os.stat(artifact.path / name) for name in names}
        return {name: [info.st_size, info.st_mtime_ns] for name, info in found.items()}

    def _stamp(self, artifact: Artifact) -> None:
        if self.store.is_local:
            write_whole(self._stamp_file(artifact), json.dumps(self._stats(artifact)).encode())

    def _folders(self, stages: Iterable[str]) -> Iterator[str]:
        return (f"{stage}/{fingerprint}" for stage in stages for fingerprint in self.store.folders(stage))

    def _read(self, folder: str) -> Artifact | None:
        """The artifact in a folder, if it is one; set aside where its manifest is none."""
        found = self._parse(folder)
        if isinstance(found, Damage):
            self.set_aside(found.artifact, [found])
            return None
        return found

    def _parse(self, folder: str) -> Artifact | Damage | None:
        data = self.store.read(f"{folder}/{MANIFEST}")
        if data is None:
            return None
        try:
            manifest: dict[str, Any] = json.loads(data)
            if manifest.pop("seal") != blake2(manifest):
                raise ValueError("it was altered after it was written")
            return Artifact(
                stage=manifest["stage"],
                partition=manifest["partition"],
                fingerprint=manifest["fingerprint"],
                digest=manifest["digest"],
                uri=self.store.uri(folder),
                stats=manifest["stats"],
                parents=tuple(parent["fingerprint"] for parent in manifest["parents"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            stage, fingerprint = folder.split("/")
            broken = Artifact(stage, None, fingerprint, "", self.store.uri(folder))
            return Damage(broken, MANIFEST, f"it is no manifest ({error})")
