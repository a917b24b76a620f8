"""The journal of one model's name: which versions exist, what was decided about them, and so who is champion.

An observed artifact that only grows: each entry is a small file, created if absent, so that two
writers can never both have the same number. The registry's versions and aliases follow from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from resources.artifact import Artifact
from resources.errors import LakeError
from resources.store import Store

Kind = Literal["registered", "promoted", "kept", "rolled_back"]


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    `fingerprint` and `stage` name the checkpoint spoken of (after a rollback: the one returned
    to), `version` its number in the registry, `verdict` the judgement that decided, `partition`
    the snapshot at which it holds.
    """

    sequence: int
    kind: Kind
    partition: str
    stage: str
    fingerprint: str
    version: int
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True)
class State:
    """The entries read at one moment, and what follows from them."""

    entries: tuple[Entry, ...]

    @cached_property
    def versions(self) -> dict[str, int]:
        """Registry version by checkpoint fingerprint."""
        return {entry.fingerprint: entry.version for entry in self.entries if entry.kind == "registered"}

    @property
    def champion(self) -> Entry | None:
        """The entry that made the present champion, or None before the first promotion."""
        return self._champion_among(self.entries)

    @property
    def challenger(self) -> Entry | None:
        """The last candidate that was judged and not promoted, while nothing was decided since."""
        verdicts = [entry for entry in self.entries if entry.kind != "registered"]
        return verdicts[-1] if verdicts and verdicts[-1].kind == "kept" else None

    @property
    def before(self) -> Entry | None:
        """The champion that reigned before the present one: rollbacks undo promotions like a stack."""
        reigns: list[Entry] = []
        for entry in self.entries:
            if entry.kind == "promoted":
                reigns.append(entry)
            elif entry.kind == "rolled_back":
                reigns.pop()
        return reigns[-2] if len(reigns) > 1 else None

    def champion_as_of(self, partition: str) -> Entry | None:
        """The champion that training at `partition` continues from: as decided at earlier snapshots."""
        return self._champion_among([entry for entry in self.entries if entry.partition < partition])

    def champion_against(self, candidate: str) -> Entry | None:
        """The champion that a candidate checkpoint is, or was, judged against.

        The one before the candidate's own verdict where there is one, so that judging it again
        is the same comparison; the present one otherwise.
        """
        judged = next((e for e in self.entries if e.kind in ("promoted", "kept") and e.fingerprint == candidate), None)
        return self._champion_among([e for e in self.entries if judged is None or e.sequence < judged.sequence])

    def next_snapshot(self, snapshots: Sequence[str]) -> str | None:
        """The first of these snapshots after the last one judged; None where there is none yet."""
        judged = max((entry.partition for entry in self.entries if entry.verdict), default="")
        return next((date for date in snapshots if date > judged), None)

    def verdict(self, fingerprint: str) -> Entry | None:
        """The entry that a judgement led to."""
        return next((entry for entry in self.entries if entry.verdict == fingerprint), None)

    @staticmethod
    def _champion_among(entries: tuple[Entry, ...] | list[Entry]) -> Entry | None:
        made = [entry for entry in entries if entry.kind in ("promoted", "rolled_back")]
        return made[-1] if made else None


def journals(store: Store) -> list[Journal]:
    """The journals of all models in a lake."""
    return [Journal(store, model) for model in store.folders("journal")]


class Journal:
    """The journal of `model` in a lake's store."""

    def __init__(self, store: Store, model: str):
        self.store, self.model = store, model

    @property
    def folder(self) -> str:
        return f"journal/{self.model}"

    def read(self) -> State:
        """All entries so far, in order."""
        return State(tuple(self._entries()))

    def register(self, artifact: Artifact) -> int:
        """The version of a checkpoint; a new one gets the next number, a known one keeps its own."""
        while True:
            state = self.read()
            if artifact.fingerprint in state.versions:
                return state.versions[artifact.fingerprint]
            version = len(state.versions) + 1
            entry = Entry(
                len(state.entries),
                "registered",
                artifact.partition or "",
                artifact.stage,
                artifact.fingerprint,
                version,
            )
            if self._append(entry):
                return version

    def decide(self, kind: Literal["promoted", "kept"], candidate: Artifact, verdict: Artifact, reason: str) -> Entry:
        """Record what a verdict decided about a candidate; the same verdict is recorded once."""
        version = self.register(candidate)
        while True:
            state = self.read()
            known = state.verdict(verdict.fingerprint)
            if known is not None:
                return known
            entry = Entry(
                sequence=len(state.entries),
                kind=kind,
                partition=verdict.partition or "",
                stage=candidate.stage,
                fingerprint=candidate.fingerprint,
                version=version,
                verdict=verdict.fingerprint,
                reason=reason,
            )
            if self._append(entry):
                return entry

    def roll_back(self, reason: str) -> Entry:
        """Return to the champion before the present one, on record.

        Raises:
            LakeError: if there is no earlier champion to return to.
        """
        while True:
            state = self.read()
            target = state.before
            if target is None:
                raise LakeError(f"{self.model} has no earlier champion to roll back to; see `tidemill status`")
            entry = Entry(
                sequence=len(state.entries),
                kind="rolled_back",
                partition=max(entry.partition for entry in state.entries),
                stage=target.stage,
                fingerprint=target.fingerprint,
                version=target.version,
                reason=reason,
            )
            if self._append(entry):
                return entry

    def _append(self, entry: Entry) -> bool:
        return self.store.create(f"{self.folder}/{entry.sequence:06}.json", json.dumps(asdict(entry)).encode())

    def _entries(self) -> Iterator[Entry]:
        for name in self.store.names(self.folder):
            data = self.store.read(f"{self.folder}/{name}")
            try:
                yield Entry(**json.loads(data or b""))
            except (ValueError, TypeError) as error:
                raise LakeError(
                    f"{self.store.key(self.folder)}/{name} is not a journal entry ({error}); restore it from a backup"
                ) from error
