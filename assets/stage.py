"""A stage declared: what it takes, what it does, and under which key the lake keeps what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from assets.config import Config
from assets.exhibits import Exhibits
from resources.artifact import Artifact, Recipe
from resources.build import Build, Outcome
from resources.errors import BuildError
from resources.journal import Journal, State
from resources.lake import Lake


class Take(Enum):
    """Which artifacts of another asset (or of the stage itself) a stage takes at snapshot t."""

    SAME = "the one of snapshot t"
    EARLIER = "all before t, oldest first"
    UP_TO = "all up to t, oldest first"

    def covers(self, date: str, t: str) -> bool:
        """Whether the artifact of a snapshot date is taken at t."""
        return (self is not Take.SAME and date < t) or (self is not Take.EARLIER and date == t)


Given = Mapping[str, Sequence[Artifact]]


@dataclass(frozen=True)
class Inputs:
    """What a stage's function gets: its parents, by asset name, as they lie on this machine."""

    given: Given

    def one(self, name: str) -> Artifact:
        (artifact,) = self.given[name]
        return artifact

    def all(self, name: str) -> Sequence[Artifact]:
        return self.given[name]

    def champion(self) -> Artifact | None:
        return next(iter(self.given["champion"]), None)

    def parents(self) -> tuple[Artifact, ...]:
        return tuple(artifact for artifacts in self.given.values() for artifact in artifacts)


@dataclass(frozen=True)
class Finding:
    """What a check of an artifact found; `detail` says it to a person."""

    passed: bool
    detail: str


Run = Callable[[Build, Inputs], Outcome]
Check = Callable[[Artifact, Inputs], Finding]
LookUp = Callable[[str, Given, Lake, State], Given]
"""From a snapshot and the declared inputs to what a stage takes beyond them; it enters the key like any parent."""


@dataclass(frozen=True)
class Stage:
    """One asset of the lineage.

    `version` is raised when the stage's logic changes what it makes; `engines` are the packages
    whose versions decide its bytes too. `config` is the stage's part of the spec. A stage that is
    `made_once` runs at the first snapshot, and every later snapshot has the same artifact.
    `look_up` finds inputs that the journal or the lake names, such as the champion to go on from.
    `registers` says that the artifact is a checkpoint, to be a version in the model registry.
    A check that fails stops everything downstream. `settle` enters in the journal what the
    artifact decides; doing it twice changes nothing.
    """

    name: str
    group: str
    description: str
    version: int
    config: Config
    inputs: Mapping[str, Take]
    run: Run
    look_up: LookUp | None = None
    kind: Literal["derived", "observed"] = "derived"
    engines: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    made_once: bool = False
    registers: bool = False
    is_documents: bool = False
    exhibit: Callable[[Artifact], Exhibits] = lambda artifact: Exhibits()
    checks: Mapping[str, Check] = field(default_factory=dict)
    settle: Callable[[Artifact, Lake, Journal], None] | None = None
    config_key: Callable[[Config], Mapping[str, Any]] = lambda config: config.model_dump(mode="json")

    def recipe(self, partition: str, inputs: Inputs) -> Recipe:
        """The cache key of this stage's artifact at a snapshot."""
        return Recipe(
            stage=self.name,
            partition=partition,
            config=self.config_key(self.config),
            kind=self.kind,
            version=self.version,
            engines=(*self.engines, "pyarrow") if self.is_documents else self.engines,
            parents=() if self.kind == "observed" else inputs.parents(),
        )

    def findings(self, artifact: Artifact, inputs: Inputs) -> dict[str, Finding]:
        """What this stage's checks find of an artifact, by check."""
        return {name: check(artifact, inputs) for name, check in self.checks.items()}


Known = Mapping[tuple[str, str], Artifact]


@dataclass(frozen=True)
class Lineage:
    """The stages of one profile in the order data flows, over its snapshots, oldest first.

    `model` is the registered name that its checkpoints are versions of.
    """

    profile: str
    model: str
    stages: tuple[Stage, ...]
    snapshots: tuple[str, ...]

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def inputs(self, stage: Stage, partition: str, known: Known, lake: Lake, journal: Journal) -> Inputs:
        """The inputs of a stage at a snapshot, from the artifacts `known` by (asset, snapshot).

        Raises:
            BuildError: if an earlier snapshot that it needs was not made.
        """
        given: dict[str, Sequence[Artifact]] = {}
        for name, take in stage.inputs.items():
            wanted = [date for date in self.snapshots if take.covers(date, partition)]
            missing = [date for date in wanted if (name, date) not in known]
            if missing:
                raise BuildError(
                    f"{stage.name} of {partition} takes {name} of {', '.join(missing)}, which is not made yet; "
                    f"`tidemill run --select +{stage.name} --snapshot {missing[0]}` makes it"
                )
            given[name] = [known[name, date] for date in wanted]
        if stage.look_up is not None:
            given.update(stage.look_up(partition, given, lake, journal.read()))
        return Inputs(given)

    def carried_over(self, stage: Stage, partition: str, known: Known) -> Artifact | None:
        """The artifact of the first snapshot, where the stage is made once and this is a later one."""
        if not stage.made_once or partition == self.snapshots[0]:
            return None
        first = known.get((stage.name, self.snapshots[0]))
        if first is None:
            raise BuildError(
                f"{stage.name} is made at {self.snapshots[0]} and then stays, but that is not there yet; "
                f"run `tidemill run --snapshot {self.snapshots[0]}` first"
            )
        return replace(first, partition=partition)

    def is_settled(self, known: Known, state: State) -> bool:
        """Whether the journal has all that these artifacts register or decide."""
        for (name, _), artifact in known.items():
            stage = self.stage(name)
            if stage.registers and artifact.fingerprint not in state.versions:
                return False
            if stage.settle is not None and state.verdict(artifact.fingerprint) is None:
                return False
        return True

    def look_up(self, stages: Sequence[Stage], snapshots: Sequence[str], lake: Lake, journal: Journal) -> Plan:
        """What of these stages and snapshots is in the lake already; nothing is built.

        What cannot be told yet, because a parent is missing, counts as missing.
        """
        known: dict[tuple[str, str], Artifact] = {}
        missing: list[tuple[str, str]] = []
        for partition in (key for key in self.snapshots if key <= max(snapshots, default="")):
            for stage in self.stages:
                artifact = self._find(stage, partition, known, lake, journal)
                if artifact is not None:
                    known[stage.name, partition] = artifact
                elif stage in stages and partition in snapshots:
                    missing.append((stage.name, partition))
        return Plan(known, tuple(missing))

    def _find(self, stage: Stage, partition: str, known: Known, lake: Lake, journal: Journal) -> Artifact | None:
        """The artifact in the lake; one that a check of its stage fails is as good as none."""
        try:
            if carried := self.carried_over(stage, partition, known):
                return carried
            inputs = self.inputs(stage, partition, known, lake, journal)
        except BuildError:
            return None
        artifact = lake.find(stage.recipe(partition, inputs))
        passes = artifact and all(finding.passed for finding in stage.findings(artifact, inputs).values())
        return artifact if passes else None


@dataclass(frozen=True)
class Plan:
    """What the lake has of a lineage, by (asset, snapshot), and what must be made, in order."""

    known: Known
    missing: tuple[tuple[str, str], ...]
