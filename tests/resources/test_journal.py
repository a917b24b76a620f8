"""The journal: versions, verdicts, and who was champion when."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.artifact import Artifact
from resources.errors import LakeError
from resources.journal import Entry, Journal, State, journals
from resources.lake import Lake


def checkpoint(name: str, partition: str = "2026-01-05") -> Artifact:
    return Artifact("pretrained_checkpoint", partition, name, f"digest of {name}", f"file:///lake/{name}")


def verdict(name: str, partition: str = "2026-01-05") -> Artifact:
    return Artifact("promotion", partition, f"verdict on {name}", "", f"file:///lake/verdict-{name}")


@pytest.fixture
def journal(lake: Lake) -> Journal:
    return Journal(lake.store, "tidemill-test")


def judge(journal: Journal, name: str, kind: str = "promoted", partition: str = "2026-01-05") -> Entry:
    return journal.decide(kind, checkpoint(name, partition), verdict(name, partition), f"{name} {kind}")


def test_an_empty_journal_knows_nobody(journal):
    state = journal.read()
    assert (state.versions, state.champion, state.challenger, state.before) == ({}, None, None, None)
    assert state.champion_as_of("2026-01-05") is None
    assert state.champion_against("a") is None


def test_a_checkpoint_gets_the_next_version_and_keeps_it(journal):
    assert [journal.register(checkpoint(name)) for name in "abab"] == [1, 2, 1, 2]
    assert journal.read().versions == {"a": 1, "b": 2}
    assert journal.read().champion is None, "a version is no champion until a verdict says so"


def test_a_verdict_decides_once(journal):
    first = judge(journal, "a")
    assert judge(journal, "a") == first
    assert [entry.kind for entry in journal.read().entries] == ["registered", "promoted"]
    assert journal.read().verdict("verdict on a") == first


def test_the_promoted_is_champion_and_the_refused_challenger(journal):
    judge(journal, "a")
    judge(journal, "b", "kept")
    state = journal.read()
    assert (state.champion.fingerprint, state.champion.version) == ("a", 1)
    assert (state.challenger.fingerprint, state.challenger.version) == ("b", 2)
    judge(journal, "c")
    state = journal.read()
    assert (state.champion.fingerprint, state.challenger) == ("c", None)


def test_rollback_returns_to_the_one_before_and_again_to_the_one_before_that(journal):
    for name in "abc":
        judge(journal, name)
    judge(journal, "d", "kept")
    assert journal.roll_back("c misbehaves").fingerprint == "b"
    assert journal.read().challenger is None
    assert journal.roll_back("so does b").fingerprint == "a"
    with pytest.raises(LakeError, match="tidemill-test has no earlier champion to roll back to"):
        journal.roll_back("and a")
    assert journal.read().champion.fingerprint == "a"
    assert [entry.reason for entry in journal.read().entries[-2:]] == ["c misbehaves", "so does b"]


def test_a_promotion_after_a_rollback_stands_on_the_one_returned_to(journal):
    for name in "ab":
        judge(journal, name)
    journal.roll_back("")
    judge(journal, "c")
    assert journal.read().before.fingerprint == "a"
    assert journal.roll_back("").fingerprint == "a"


@given(st.lists(st.sampled_from(["promote", "keep", "roll back"]), max_size=12))
def test_rollback_is_a_stack(steps):
    entries: list[Entry] = []
    reigns: list[str] = []

    def add(kind: str, name: str) -> None:
        entries.append(Entry(len(entries), kind, "2026-01-05", "stage", name, 1, verdict=f"on {name}"))

    for number, step in enumerate(steps):
        if step == "roll back":
            before = State(tuple(entries)).before
            assert (before.fingerprint if before else None) == (reigns[-2] if len(reigns) > 1 else None)
            if before is not None:
                reigns.pop()
                add("rolled_back", before.fingerprint)
        else:
            add("promoted" if step == "promote" else "kept", str(number))
            reigns += [str(number)] if step == "promote" else []
        champion = State(tuple(entries)).champion
        assert (champion.fingerprint if champion else None) == (reigns[-1] if reigns else None)


def test_training_continues_from_the_champion_of_earlier_snapshots(journal):
    for name, snapshot in (("a", "2026-01-05"), ("b", "2026-01-12"), ("c", "2026-01-19")):
        judge(journal, name, partition=snapshot)
    state = journal.read()
    champions = {date: state.champion_as_of(date) for date in ("2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26")}
    assert {date: entry and entry.fingerprint for date, entry in champions.items()} == {
        "2026-01-05": None,
        "2026-01-12": "a",
        "2026-01-19": "b",
        "2026-01-26": "c",
    }


def test_what_earlier_snapshots_continued_from_stays_after_a_rollback(journal):
    for name, snapshot in (("a", "2026-01-05"), ("b", "2026-01-12")):
        judge(journal, name, partition=snapshot)
    journal.roll_back("")
    state = journal.read()
    assert state.champion_as_of("2026-01-12").fingerprint == "a"
    assert state.champion_as_of("2026-01-19").fingerprint == "a"


def test_a_candidate_judged_again_meets_the_champion_that_it_met(journal):
    for name in "abc":
        judge(journal, name)
    state = journal.read()
    assert state.champion_against("a") is None
    assert state.champion_against("b").fingerprint == "a"
    assert state.champion_against("c").fingerprint == "b"
    assert state.champion_against("not judged yet").fingerprint == "c"


def judge_again(journal: Journal, name: str, against: str, partition: str = "2026-01-05") -> Entry:
    """Another verdict, as a changed gate gives it, that would promote the candidate."""
    other = Artifact("promotion", partition, f"other verdict on {name}", "", "")
    return journal.decide("promoted", checkpoint(name, partition), other, "better", against=against)


def test_snapshots_judged_again_by_another_gate_leave_champion_challenger_and_the_one_before(journal):
    judge(journal, "a")
    judge(journal, "b", partition="2026-01-12")
    judge(journal, "c", "kept", "2026-01-19")
    before = journal.read()
    again = [judge_again(journal, "a", ""), judge_again(journal, "b", "a", "2026-01-12")]
    state = journal.read()
    assert [entry.kind for entry in again] == ["kept", "kept"]
    assert again[0].reason == "better. Not promoted: it was promoted before, and what was decided since stands"
    assert (state.aliases, state.before) == (before.aliases, before.before)
    assert judge_again(journal, "c", "b", "2026-01-19").kind == "promoted", "it met the present champion"


def test_a_rollback_is_not_undone_by_judging_the_same_model_again(journal):
    for name in "ab":
        judge(journal, name)
    journal.roll_back("b misbehaves")
    assert judge_again(journal, "b", "a").kind == "kept"
    assert journal.read().champion.fingerprint == "a"


def test_nobody_replaces_a_champion_that_it_never_met(journal):
    judge(journal, "a")
    judge(journal, "b", "kept")
    judge(journal, "c")
    entry = judge_again(journal, "b", "a")
    assert (entry.kind, journal.read().champion.fingerprint) == ("kept", "c")
    assert "not judged against the present champion" in entry.reason
    assert judge_again(journal, "d", "").kind == "kept"


def test_a_champion_promoted_twice_over_is_undone_once(journal):
    """As a journal of before had it, when any verdict promoted."""
    entries = [Entry(n, "promoted", "2026-01-05", "stage", name, n, f"on {name}{n}") for n, name in enumerate("abb")]
    assert State(tuple(entries)).before.fingerprint == "a"


def test_the_next_snapshot_is_the_first_after_the_last_judged(journal):
    dates = ["2026-01-05", "2026-01-12", "2026-01-19"]
    assert journal.read().next_snapshot(dates) == "2026-01-05"
    journal.register(checkpoint("a", "2026-01-12"))
    assert journal.read().next_snapshot(dates) == "2026-01-05", "a version that nobody judged"
    judge(journal, "b", "kept", "2026-01-12")
    assert journal.read().next_snapshot(dates) == "2026-01-19"
    judge(journal, "c", partition="2026-01-19")
    assert journal.read().next_snapshot(dates) is None


def test_many_writers_at_once_lose_nothing_and_share_no_number(journal):
    names = [f"checkpoint {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as writers:
        versions = list(writers.map(lambda name: journal.register(checkpoint(name)), names * 2))
    assert versions[: len(names)] == versions[len(names) :]
    assert sorted(set(versions)) == list(range(1, 25))
    entries = journal.read().entries
    assert [entry.sequence for entry in entries] == list(range(24))


def test_two_writers_that_record_the_same_verdict_record_it_once(journal):
    with ThreadPoolExecutor(8) as writers:
        decided = set(writers.map(lambda _: judge(journal, "a"), range(16)))
    assert len(decided) == 1
    assert len(journal.read().entries) == 2


def test_each_model_has_a_journal_of_its_own(lake):
    for name in ("tidemill-a", "tidemill-b"):
        Journal(lake.store, name).register(checkpoint(name))
    assert {journal.model: list(journal.read().versions) for journal in journals(lake.store)} == {
        "tidemill-a": ["tidemill-a"],
        "tidemill-b": ["tidemill-b"],
    }


def test_an_entry_that_is_none_is_named(journal):
    judge(journal, "a")
    journal.store.create(f"{journal.folder}/000002.json", b'{"kind": "promoted"}')
    with pytest.raises(LakeError, match=r"tidemill-test/000002.json is not a journal entry .* restore it"):
        journal.read()
