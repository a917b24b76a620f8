"""The journal of one model's name: which versions exist, what was decided about them, and so who is champion.

An observed artifact that only grows: each entry is a small file, created if absent, so that two
writers can never both have the same number. The registry's versions and aliases follow from it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Literal

from resources.artifact import Artifact
from resources.errors import LakeError
from resources.store import Store

Decided = Literal["promoted", "kept"]
Kind = Literal["registered", "rolled_back"] | Decided


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
    def aliases(self) -> dict[str, Entry]:
        """What `champion` and `challenger` name, where they name something."""
        named = {"champion": self.champion, "challenger": self.challenger}
        return {alias: entry for alias, entry in named.items() if entry is not None}

    @property
    def champion(self) -> Entry | None:
        """The entry that made the present champion, or None before the first promotion."""
        return _champion_among(self.entries)

    @property
    def challenger(self) -> Entry | None:
        """The last candidate that was judged and not promoted, while nothing was decided since.

        One that was promoted once is no challenger, though it be judged again.
        """
        promoted = {entry.fingerprint for entry in self.entries if entry.kind == "promoted"}
        decided = [
            e for e in self.entries if e.kind != "registered" and (e.kind != "kept" or e.fingerprint not in promoted)
        ]
        return decided[-1] if decided and decided[-1].kind == "kept" else None

    @property
    def before(self) -> Entry | None:
        """The champion that reigned before the present one: rollbacks undo promotions like a stack."""
        reigns: list[Entry] = []
        for entry in self.entries:
            if entry.kind == "promoted" and entry.fingerprint not in [reign.fingerprint for reign in reigns[-1:]]:
                reigns.append(entry)
            while entry.kind == "rolled_back" and reigns[-1].fingerprint != entry.fingerprint:
                reigns.pop()
        return reigns[-2] if len(reigns) > 1 else None

    def champion_as_of(self, partition: str) -> Entry | None:
        """The champion that training at `partition` continues from: as decided at earlier snapshots."""
        return _champion_among([entry for entry in self.entries if entry.partition < partition])

    def champion_against(self, candidate: str) -> Entry | None:
        """The champion that a candidate checkpoint is, or was, judged against.

        The one before the candidate's own verdict where there is one, so that judging it again
        is the same comparison; the present one otherwise.
        """
        judged = next((e for e in self.entries if e.kind in ("promoted", "kept") and e.fingerprint == candidate), None)
        return _champion_among([e for e in self.entries if judged is None or e.sequence < judged.sequence])

    def hindrance(self, candidate: str, against: str | None) -> str:
        """Why a candidate that was judged better than `against` is not to be promoted now; empty where it is."""
        if any(entry.kind == "promoted" and entry.fingerprint == candidate for entry in self.entries):
            return "it was promoted before, and what was decided since stands"
        if against not in (None, self.champion.fingerprint if self.champion else ""):
            return "it was not judged against the present champion"
        return ""

    def next_snapshot(self, snapshots: Sequence[str]) -> str | None:
        """The first of these snapshots after the last one judged; None where there is none yet."""
        judged = max((entry.partition for entry in self.entries if entry.verdict), default="")
        return next((date for date in snapshots if date > judged), None)

    def verdict(self, fingerprint: str) -> Entry | None:
        """The entry that a judgement led to."""
        return next((entry for entry in self.entries if entry.verdict == fingerprint), None)


def _champion_among(entries: Sequence[Entry]) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry.kind in ("promoted", "rolled_back")), None)


class Journal:
    """The journal of `model` in a lake's store."""

    def __init__(self, store: Store, model: str):
        self.store, self.model = store, model
        self.folder = f"journal/{model}"

    def read(self) -> State:
        """All entries so far, in order."""
        entries = []
        for name in self.store.names(self.folder):
            try:
                entries.append(Entry(**json.loads(self.store.read(f"{self.folder}/{name}") or b"")))
            except (ValueError, TypeError) as error:
                raise LakeError(
                    f"{self.store.key(self.folder)}/{name} is not a journal entry ({error}); restore it from a backup"
                ) from error
        return State(tuple(entries))

    def register(self, artifact: Artifact) -> int:
        """The version of a checkpoint; a new one gets the next number, a known one keeps its own."""

        def entry(state: State) -> Entry:
            known = (e for e in state.entries if e.kind == "registered" and e.fingerprint == artifact.fingerprint)
            named = (artifact.partition or "", artifact.stage, artifact.fingerprint)
            return next(known, None) or Entry(len(state.entries), "registered", *named, len(state.versions) + 1)

        return self._record(entry).version

    def decide(
        self, kind: Decided, candidate: Artifact, verdict: Artifact, reason: str, *, against: str | None = None
    ) -> Entry:
        """Record what a verdict decided about a candidate; the same verdict is recorded once.

        `against` is the fingerprint of the champion that the candidate was judged against ("" for
        none; left out, the present one). A verdict promotes over that champion only, and nobody
        twice: a model that was promoted before stays what was made of it since. Otherwise the
        candidate is kept, and the reason says so.
        """
        version = self.register(candidate)
        named = (verdict.partition or "", candidate.stage, candidate.fingerprint)

        def entry(state: State) -> Entry:
            known = state.verdict(verdict.fingerprint)
            hindrance = state.hindrance(candidate.fingerprint, against) if kind == "promoted" else ""
            told = f"{reason}. Not promoted: {hindrance}" if hindrance else reason
            decided = "kept" if hindrance else kind
            return known or Entry(len(state.entries), decided, *named, version, verdict.fingerprint, told)

        return self._record(entry)

    def roll_back(self, reason: str) -> Entry:
        """Return to the champion before the present one, on record.

        Raises:
            LakeError: if there is no earlier champion to return to.
        """

        def entry(state: State) -> Entry:
            if state.before is None:
                raise LakeError(f"{self.model} has no earlier champion to roll back to; see `tidemill status`")
            return replace(
                state.before,
                sequence=len(state.entries),
                kind="rolled_back",
                partition=max(entry.partition for entry in state.entries),
                verdict="",
                reason=reason,
            )

        return self._record(entry)

    def _record(self, entry_after: Callable[[State], Entry]) -> Entry:
        """Append the entry that a state asks for, unless it is in it; again where another writer was faster."""
        while True:
            state = self.read()
            entry = entry_after(state)
            name = f"{self.folder}/{entry.sequence:06}.json"
            if entry in state.entries or self.store.create(name, json.dumps(asdict(entry)).encode()):
                return entry


def journals(store: Store) -> list[Journal]:
    """The journals of all models in a lake."""
    return [Journal(store, model) for model in store.folders("journal")]
