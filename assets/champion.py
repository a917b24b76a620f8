"""Which champion a stage takes: looked up in the journal, and part of the key like any parent."""

from assets.stage import Given, LookUp
from resources.artifact import Artifact
from resources.errors import BuildError
from resources.journal import Entry, State
from resources.lake import Lake


def champion_before_snapshot(partition: str, given: Given, lake: Lake, state: State) -> Given:
    """The model that training continues from, as decided at earlier snapshots; none before the first promotion."""
    return {"champion": _checkpoint(lake, state.champion_as_of(partition))}


def champion_before_verdict(candidate: str) -> LookUp:
    """The model that the input named `candidate` is (or was) judged against; none for the first."""

    def look_up(partition: str, given: Given, lake: Lake, state: State) -> Given:
        (judged,) = given[candidate]
        return {"champion": _checkpoint(lake, state.champion_against(judged.fingerprint))}

    return look_up


def _checkpoint(lake: Lake, entry: Entry | None) -> list[Artifact]:
    if entry is None:
        return []
    artifact = lake.get(entry.fingerprint)
    if artifact is None:
        raise BuildError(
            f"version {entry.version} is champion, but its checkpoint {entry.fingerprint} is not in the lake; "
            "run the snapshot that made it again, or `tidemill rollback`"
        )
    return [artifact]
