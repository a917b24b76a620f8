"""Declared stages: what each takes at a snapshot, under which key it is kept, and what the lake has of them."""

import pytest

from assets.accounting import accounting_closes
from assets.champion import champion_before_snapshot, champion_before_verdict
from assets.config import Config
from assets.stage import Finding, Inputs, Lineage, Stage, Take
from resources.artifact import Artifact
from resources.build import Outcome
from resources.errors import BuildError
from resources.journal import Journal
from resources.lake import Lake

DATES = ("2026-01-05", "2026-01-12", "2026-01-19")


class Settings(Config):
    size: int = 1
    """How many."""


def stage(name: str, inputs=None, **more) -> Stage:
    def run(build, inputs):
        build.write("made", f"{name} {sorted(a.digest for a in inputs.parents())} {more.get('text', build.partition)}")
        return Outcome({"made": 1})

    declared = {key: value for key, value in more.items() if key != "text"}
    return Stage(name, "group", "A stage.", 1, Settings(), inputs or {}, run, **declared)


CRAWL = stage("crawl", kind="observed")
WORDS = stage("words", {"crawl": Take.SAME, "words": Take.EARLIER})
VOCABULARY = stage("vocabulary", {"words": Take.SAME}, made_once=True)
MODEL = stage("model", {"words": Take.UP_TO, "vocabulary": Take.SAME}, look_up=champion_before_snapshot, registers=True)
STAGES = (CRAWL, WORDS, VOCABULARY, MODEL)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake", tmp_path)


@pytest.fixture
def journal(lake):
    return Journal(lake.store, "tidemill-test")


def lineage(*stages: Stage) -> Lineage:
    return Lineage("test", "tidemill-test", stages or STAGES, DATES)


def make(lineage: Lineage, lake: Lake, journal: Journal, *snapshots: str, promote: bool = True) -> dict:
    known: dict[tuple[str, str], Artifact] = {}
    for snapshot in snapshots:
        for each in lineage.stages:
            carried = lineage.carried_over(each, snapshot, known)
            inputs = Inputs({}) if carried else lineage.inputs(each, snapshot, known, lake, journal)
            recipe = each.recipe(snapshot, inputs)
            made = carried or lake.build(recipe, lambda build, each=each, given=inputs: each.run(build, given))[0]
            known[each.name, snapshot] = made
            if each.registers and promote:
                verdict = Artifact("promotion", snapshot, f"verdict {made.fingerprint}", "", "")
                journal.decide("promoted", made, verdict, "")
    return known


def given(lineage: Lineage, each: Stage, snapshot: str, known, lake, journal) -> dict[str, list]:
    inputs = lineage.inputs(each, snapshot, known, lake, journal)
    return {name: [artifact.partition for artifact in found] for name, found in inputs.given.items()}


def test_a_stage_takes_the_same_the_earlier_or_all_snapshots_up_to_its_own(lake, journal):
    line = lineage()
    known = make(line, lake, journal, *DATES)
    assert given(line, WORDS, DATES[0], known, lake, journal) == {"crawl": [DATES[0]], "words": []}
    assert given(line, WORDS, DATES[2], known, lake, journal) == {"crawl": [DATES[2]], "words": list(DATES[:2])}
    assert given(line, MODEL, DATES[1], known, lake, journal)["words"] == list(DATES[:2])


def test_a_missing_parent_says_which_snapshot_to_run_first(lake, journal):
    known = make(lineage(), lake, journal, DATES[0])
    with pytest.raises(BuildError, match="words of 2026-01-19 takes crawl of 2026-01-19, which is not made yet"):
        lineage().inputs(WORDS, DATES[2], known, lake, journal)
    with pytest.raises(BuildError, match="vocabulary is made at 2026-01-05 and then stays, but that is not there yet"):
        lineage().carried_over(VOCABULARY, DATES[1], {})


def test_what_is_made_once_is_carried_to_every_later_snapshot(lake, journal):
    known = make(lineage(), lake, journal, *DATES)
    made = [known["vocabulary", date] for date in DATES]
    assert {artifact.fingerprint for artifact in made} == {made[0].fingerprint}
    assert [artifact.partition for artifact in made] == list(DATES)


def test_the_champion_of_earlier_snapshots_is_a_parent_and_enters_the_key(lake, journal):
    line = lineage()
    known = make(line, lake, journal, *DATES)
    models = [known["model", date] for date in DATES]
    assert models[0].fingerprint in models[1].parents
    assert models[1].fingerprint in models[2].parents
    assert line.inputs(MODEL, DATES[0], known, lake, journal).champion() is None


def test_a_champion_that_is_gone_from_the_lake_is_named(lake, journal):
    from resources.collection import remove_artifacts

    known = make(lineage(), lake, journal, DATES[0])
    remove_artifacts(lake, [known["model", DATES[0]]])
    with pytest.raises(BuildError, match=r"version 1 is champion, but its checkpoint .* is not in the lake"):
        champion_before_snapshot(DATES[1], {}, lake, journal.read())


def test_a_candidate_is_judged_against_the_champion_before_its_own_verdict(lake, journal):
    known = make(lineage(), lake, journal, *DATES)
    look_up = champion_before_verdict("model")
    for date, against in zip(DATES, (None, *DATES), strict=False):
        found = look_up(date, {"model": [known["model", date]]}, lake, journal.read())["champion"]
        assert [artifact.partition for artifact in found] == ([against] if against else [])


def test_looking_up_finds_all_that_was_made_and_builds_nothing(lake, journal):
    line = lineage()
    plan = line.look_up(STAGES, DATES, lake, journal)
    assert plan.known == {}
    assert plan.missing == tuple((each.name, date) for date in DATES for each in STAGES)
    known = make(line, lake, journal, *DATES)
    plan = line.look_up(STAGES, DATES, lake, journal)
    assert (plan.known, plan.missing) == (known, ())


def test_a_lost_artifact_makes_what_came_of_it_missing_only_if_it_cannot_be_told(lake, journal):
    line = lineage()
    known = make(line, lake, journal, *DATES)
    (known["words", DATES[1]].path / "made").write_text("altered")
    missing = line.look_up(STAGES, DATES, lake, journal).missing
    assert missing[0] == ("words", DATES[1])
    assert ("crawl", DATES[2]) not in missing


def test_only_what_was_asked_for_counts_as_missing(lake, journal):
    plan = lineage().look_up([WORDS], [DATES[1]], lake, journal)
    assert plan.missing == (("words", DATES[1]),)
    assert lineage().look_up([], [], lake, journal).missing == ()


def test_a_lineage_is_settled_when_the_journal_has_all_that_it_registers(lake, journal):
    line = lineage()
    known = make(line, lake, journal, DATES[0], promote=False)
    assert not line.is_settled(known, journal.read())
    journal.register(known["model", DATES[0]])
    assert line.is_settled(known, journal.read())


def test_documents_depend_on_the_version_of_their_format():
    plain, documents = stage("words"), stage("words", is_documents=True)
    assert "pyarrow" not in plain.recipe(DATES[0], Inputs({})).engines
    assert "pyarrow" in documents.recipe(DATES[0], Inputs({})).engines


@pytest.mark.parametrize(
    ("given_kept", "stats", "passes"),
    [
        (10, {"entered": 10, "kept": 7, "dropped": {"short": 2, "long": 1}}, True),
        (10, {"entered": 10, "kept": 7, "dropped": {"short": 2}}, False),
        (11, {"entered": 10, "kept": 7, "dropped": {"short": 3}}, False),
        (0, {"entered": 0, "kept": 0, "dropped": {}}, True),
    ],
)
def test_the_accounting_closes_only_if_nothing_is_lost_within_or_before(given_kept, stats, passes):
    parent = Artifact("extracted", DATES[0], "p", "", "", {"kept": given_kept})
    (check,) = accounting_closes("extracted").values()
    finding = check(Artifact("deduped", DATES[0], "f", "", "", stats), Inputs({"extracted": [parent]}))
    assert finding.passed == passes
    assert finding.detail.startswith(f"{given_kept} given, {stats['entered']} entered = {stats['kept']} kept + ")


def test_what_a_check_fails_is_as_good_as_missing_however_often_it_is_asked_for(lake, journal):
    refused = stage("words", {"crawl": Take.SAME}, checks={"good": lambda artifact, inputs: Finding(False, "bad")})
    line = lineage(CRAWL, refused, stage("model", {"words": Take.SAME}))
    make(line, lake, journal, DATES[0])
    for _ in range(2):
        plan = line.look_up(line.stages, DATES[:1], lake, journal)
        assert plan.missing == (("words", DATES[0]), ("model", DATES[0]))
