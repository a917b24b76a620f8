"""Collection: which artifacts nothing needs any more, and their removal."""

import re
from collections import defaultdict
from collections.abc import Iterable

from resources.artifact import Artifact
from resources.errors import LakeError
from resources.journal import State
from resources.lake import MANIFEST, Lake
from resources.lease import held

PINS = "pins"


def plan_collection(lake: Lake, states: Iterable[State], *, keep_last: int) -> tuple[list[Artifact], list[Artifact]]:
    """The artifacts that no root reaches, and those that stay.

    Roots are the champions and challengers of all journals (and the champion that a rollback would
    return to), pins, observed artifacts (they cannot be made again), and the last `keep_last` of
    each stage and partition, by the age of their manifests. Everything that a root was made from
    stays with it.
    """
    artifacts = {artifact.fingerprint: artifact for artifact in lake.artifacts()}
    roots = set(lake.store.names(PINS))
    for state in states:
        roots |= {entry.fingerprint for entry in (*state.aliases.values(), state.before) if entry}
    roots |= {a.fingerprint for a in artifacts.values() if lake.manifest(a)["kind"] == "observed"}
    by_place: dict[tuple[str, str | None], list[Artifact]] = defaultdict(list)
    for artifact in sorted(artifacts.values(), key=lake.age_key, reverse=True):
        by_place[artifact.stage, artifact.partition].append(artifact)
    for group in by_place.values():
        roots |= {artifact.fingerprint for artifact in group[:keep_last]}
    kept: set[str] = set()
    front = [fingerprint for fingerprint in roots if fingerprint in artifacts]
    while front:
        fingerprint = front.pop()
        if fingerprint not in kept:
            kept.add(fingerprint)
            front.extend(parent for parent in artifacts[fingerprint].parents if parent in artifacts)
    in_order = [artifact for _, artifact in sorted(artifacts.items())]
    return [a for a in in_order if a.fingerprint not in kept], [a for a in in_order if a.fingerprint in kept]


def remove_artifacts(lake: Lake, artifacts: Iterable[Artifact]) -> None:
    """Remove artifacts, each manifest first: what a kill leaves is not an artifact any more.

    Raises:
        LakeError: while something is built, whose inputs may be among them.
    """
    if busy := held(lake.store):
        raise LakeError(f"a build is under way ({', '.join(busy)}) and may need what would go; wait until it has ended")
    for artifact in artifacts:
        lake.store.remove(f"{artifact.folder}/{MANIFEST}")
        lake.store.remove(artifact.folder)
        lake.forget(artifact)


def pin(lake: Lake, fingerprint: str) -> None:
    """Make an artifact a root until it is unpinned."""
    lake.store.create(_pin_of(fingerprint), b"")


def unpin(lake: Lake, fingerprint: str) -> None:
    """Let an artifact go when nothing else needs it."""
    lake.store.remove(_pin_of(fingerprint))


def _pin_of(fingerprint: str) -> str:
    """The name of a pin in the store; a word that could lead elsewhere is none."""
    if not re.fullmatch("[0-9a-f]+", fingerprint):
        raise LakeError(f"{fingerprint!r} is no fingerprint; `tidemill run --json` lists them, in hexadecimal")
    return f"{PINS}/{fingerprint}"
