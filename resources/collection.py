"""Collection: which artifacts nothing needs any more, and their removal."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from resources.artifact import Artifact
from resources.journal import State
from resources.lake import MANIFEST, Lake

PINS = "pins"


@dataclass(frozen=True)
class Collection:
    """What would go, and what stays because a root needs it."""

    remove: tuple[Artifact, ...]
    keep: tuple[Artifact, ...]


def plan_collection(lake: Lake, states: Iterable[State], *, keep_last: int) -> Collection:
    """Find the artifacts that no root reaches.

    Roots are the champions and challengers of all journals (and the champion that a rollback would
    return to), pins, observed artifacts (they cannot be made again), and the last `keep_last` of
    each stage and partition, by the age of their manifests. Everything that a root was made from
    stays with it.
    """
    artifacts = {artifact.fingerprint: artifact for artifact in lake.artifacts()}
    roots = {
        entry.fingerprint for state in states for entry in (state.champion, state.challenger, state.before) if entry
    }
    roots |= set(lake.store.names(PINS))
    roots |= {a.fingerprint for a in artifacts.values() if lake.manifest(a)["kind"] == "observed"}
    by_place: dict[tuple[str, str | None], list[Artifact]] = defaultdict(list)
    for artifact in sorted(artifacts.values(), key=lambda a: lake.age_key(a), reverse=True):
        by_place[artifact.stage, artifact.partition].append(artifact)
    for group in by_place.values():
        roots |= {artifact.fingerprint for artifact in group[:keep_last]}
    kept = _reached(roots, artifacts)
    return Collection(
        remove=tuple(a for f, a in sorted(artifacts.items()) if f not in kept),
        keep=tuple(a for f, a in sorted(artifacts.items()) if f in kept),
    )


def remove_artifacts(lake: Lake, artifacts: Iterable[Artifact]) -> None:
    """Remove artifacts, each manifest first: what a kill leaves is not an artifact any more."""
    for artifact in artifacts:
        folder = f"{artifact.stage}/{artifact.fingerprint}"
        lake.store.remove(f"{folder}/{MANIFEST}")
        lake.store.remove(folder)


def pin(lake: Lake, fingerprint: str) -> None:
    """Make an artifact a root until it is unpinned."""
    lake.store.create(f"{PINS}/{fingerprint}", b"")


def unpin(lake: Lake, fingerprint: str) -> None:
    """Let an artifact go when nothing else needs it."""
    lake.store.remove(f"{PINS}/{fingerprint}")


def _reached(roots: Iterable[str], artifacts: dict[str, Artifact]) -> set[str]:
    reached: set[str] = set()
    front = [fingerprint for fingerprint in roots if fingerprint in artifacts]
    while front:
        fingerprint = front.pop()
        if fingerprint not in reached:
            reached.add(fingerprint)
            front.extend(parent for parent in artifacts[fingerprint].parents if parent in artifacts)
    return reached
