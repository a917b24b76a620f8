"""The lake: every artifact, found by the fingerprint of what it was made from.

A folder `<root>/<stage>/<fingerprint>/` with a `manifest.json` is whole; nothing else is ever
read. The manifest is written last and only if absent, so that a kill leaves no half artifact and
the loser of a race changes nothing, on disks and on object stores alike.
"""

import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resources.artifact import Artifact, Recipe, content_digest, engine_versions
from resources.build import Build, Launch, Outcome, Progress, silent
from resources.errors import LakeError
from resources.launch import launch_plainly
from resources.lease import lease
from resources.store import Store

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
        artifact = self._trusted(f"{recipe.stage}/{recipe.fingerprint}")
        return replace(artifact, partition=recipe.partition) if artifact is not None else None

    def get(self, fingerprint: str) -> Artifact | None:
        """The committed artifact with this fingerprint, of whatever stage; a damaged one is set aside and named."""
        for stage in self.stages():
            artifact = self._trusted(f"{stage}/{fingerprint}")
            if artifact is not None:
                return artifact
        return None

    def _trusted(self, folder: str) -> Artifact | None:
        artifact = self._read(folder)
        damage = self._changed(artifact) if artifact is not None else []
        if artifact is None or not damage:
            return artifact
        self.set_aside(artifact, damage)
        return None

    def stages(self) -> list[str]:
        return [
            name
            for name in self.store.folders("")
            if not name.startswith(".") and name not in ("aside", "journal", "pins")
        ]

    def artifacts(self, stage: str | None = None) -> Iterator[Artifact]:
        """All committed artifacts (of one stage), in the order of their names."""
        for name in [stage] if stage else self.stages():
            for fingerprint in self.store.folders(name):
                artifact = self._read(f"{name}/{fingerprint}")
                if artifact is not None:
                    yield artifact

    def manifest(self, artifact: Artifact) -> dict[str, Any]:
        """The artifact's manifest as written at commit."""
        data = self.store.read(f"{artifact.stage}/{artifact.fingerprint}/{MANIFEST}")
        if data is None:
            raise LakeError(
                f"{artifact.stage} {artifact.fingerprint} has no manifest any more; `tidemill run` rebuilds it"
            )
        return dict(json.loads(data))

    def age_key(self, artifact: Artifact) -> float:
        """When the artifact was committed, as the store has it, to tell older from newer (seconds since 1970)."""
        info = self.store.fs.info(self.store.key(f"{artifact.stage}/{artifact.fingerprint}/{MANIFEST}"))
        when = info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created") or 0.0
        return float(when.timestamp()) if hasattr(when, "timestamp") else float(when)

    def local(self, artifact: Artifact) -> Artifact:
        """The same artifact with its files on this machine (a remote one is fetched and checked once)."""
        if self.store.is_local:
            return artifact
        folder = self.home / "cache" / artifact.stage / artifact.fingerprint
        if not (folder / MANIFEST).exists():
            source = f"{artifact.stage}/{artifact.fingerprint}"
            for entry in self.manifest(artifact)["files"]:
                self.store.fetch(f"{source}/{entry['name']}", folder / entry["name"])
                if Store(folder).sha256(entry["name"]) != entry["sha256"]:
                    self.set_aside(artifact, [Damage(artifact, entry["name"], "its bytes differ from the manifest")])
                    raise LakeError(
                        f"{source}/{entry['name']} differs from its manifest; it was set aside: run again to rebuild it"
                    )
            self.store.fetch(f"{source}/{MANIFEST}", folder / MANIFEST)
        return replace(artifact, uri=folder.as_uri())

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
        folder = f"{recipe.stage}/{recipe.fingerprint}"
        with lease(
            self.store, f".leases/{recipe.fingerprint}", finished=lambda: self.store.exists(f"{folder}/{MANIFEST}")
        ) as is_mine:
            found = self.find(recipe)
            if found is not None:
                return found, True
            if not is_mine:
                raise LakeError(f"{folder} was finished by another process and then damaged; run again to rebuild it")
            build = Build(
                self.store, folder, self._scratch(recipe.fingerprint), recipe.partition, workers, report, launch
            )
            build.clear_partial()
            outcome = run(build)
            return self._commit(recipe, build, outcome), False

    def _commit(self, recipe: Recipe, build: Build, outcome: Outcome) -> Artifact:
        names = [name for name in self.store.names(build.folder) if name != MANIFEST]
        files = [
            {
                "name": name,
                "size": self.store.size(f"{build.folder}/{name}"),
                "sha256": self.store.sha256(f"{build.folder}/{name}"),
            }
            for name in names
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
        return folder

    # trust

    def verify(self) -> Iterator[Damage | Artifact]:
        """Hash every committed byte: yields each artifact, preceded by what is damaged in it."""
        for artifact in self.artifacts():
            yield from self._damage(artifact)
            yield artifact

    def set_aside(self, artifact: Artifact, damage: Collection[Damage]) -> None:
        """Move a damaged artifact where nothing reads it, and say so."""
        source = f"{artifact.stage}/{artifact.fingerprint}"
        target = next(
            name
            for n in range(10_000)
            if not self.store.exists(name := f"aside/{artifact.stage}-{artifact.fingerprint}-{n}")
        )
        for entry in damage:
            log.warning(
                "%s/%s: %s; the artifact is set aside in %s and will be rebuilt",
                source,
                entry.file,
                entry.reason,
                target,
            )
        self.store.move(source, target)

    def _damage(self, artifact: Artifact) -> list[Damage]:
        folder = f"{artifact.stage}/{artifact.fingerprint}"
        found = []
        for entry in self.manifest(artifact)["files"]:
            name = f"{folder}/{entry['name']}"
            if not self.store.exists(name):
                found.append(Damage(artifact, entry["name"], "it is missing"))
            elif self.store.sha256(name) != entry["sha256"]:
                found.append(Damage(artifact, entry["name"], "its bytes differ from the manifest"))
        return found

    def _changed(self, artifact: Artifact) -> list[Damage]:
        """Damage since the files were last hashed: cheap while size and time stamps are as they were."""
        if not self.store.is_local:
            folder = f"{artifact.stage}/{artifact.fingerprint}"
            wrong = [
                e["name"]
                for e in self.manifest(artifact)["files"]
                if self.store.size(f"{folder}/{e['name']}") != e["size"]
            ]
            return [Damage(artifact, name, "its size differs from the manifest") for name in wrong]
        if self._stamp_file(artifact).exists() and json.loads(self._stamp_file(artifact).read_text()) == self._stats(
            artifact
        ):
            return []
        damage = self._damage(artifact)
        if not damage:
            self._stamp(artifact)
        return damage

    def _stamp_file(self, artifact: Artifact) -> Path:
        return self.home / "trusted" / f"{artifact.fingerprint}.json"

    def _stats(self, artifact: Artifact) -> dict[str, list[int] | None]:
        stats: dict[str, list[int] | None] = {}
        for name in [*(entry["name"] for entry in self.manifest(artifact)["files"]), MANIFEST]:
            try:
                info = os.stat(artifact.path / name)
            except FileNotFoundError:
                stats[name] = None
            else:
                stats[name] = [info.st_size, info.st_mtime_ns]
        return stats

    def _stamp(self, artifact: Artifact) -> None:
        if self.store.is_local:
            path = self._stamp_file(artifact)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(self._stats(artifact)))
            os.replace(partial, path)

    def _read(self, folder: str) -> Artifact | None:
        data = self.store.read(f"{folder}/{MANIFEST}")
        if data is None:
            return None
        try:
            manifest: Mapping[str, Any] = json.loads(data)
            return Artifact(
                stage=manifest["stage"],
                partition=manifest["partition"],
                fingerprint=manifest["fingerprint"],
                digest=manifest["digest"],
                uri=self.store.uri(folder),
                stats=manifest["stats"],
                parents=tuple(parent["fingerprint"] for parent in manifest["parents"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            stage, fingerprint = folder.split("/")
            broken = Artifact(stage, None, fingerprint, "", self.store.uri(folder))
            self.set_aside(broken, [Damage(broken, MANIFEST, f"it is not a manifest ({error})")])
            return None
