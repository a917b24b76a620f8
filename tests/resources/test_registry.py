"""References to models: what each resolves to, and what a wrong one is told."""

import pytest

from resources.collection import remove_artifacts
from resources.errors import LakeError, SpecError
from resources.journal import Journal
from resources.registry import find_model


@pytest.fixture
def models(lake, commit):
    """Three versions of `tidemill-demo`: 1 was champion, 2 is, 3 was refused."""
    journal = Journal(lake.store, "tidemill-demo")
    made = [commit("checkpoint", n=n) for n in range(3)]
    for n, kind in enumerate(("promoted", "promoted", "kept")):
        journal.decide(kind, made[n], commit("promotion", made[n]), "")
    return made


@pytest.mark.parametrize(("which", "version"), [("champion", 2), ("challenger", 3), ("1", 1), ("3", 3)])
def test_an_alias_or_a_version_names_a_checkpoint(lake, models, which, version):
    found = find_model(lake, f"model:tidemill-demo@{which}")
    assert (found.name, found.version, found.checkpoint) == ("tidemill-demo", version, models[version - 1])


@pytest.mark.parametrize("reference", ["", "tidemill-demo", "model:tidemill-demo", "model:@1", "model:a@b@c"])
def test_what_is_written_otherwise_is_refused_with_how_to_write_it(lake, reference):
    with pytest.raises(SpecError, match="names no model; write model:NAME@champion"):
        find_model(lake, reference)


def test_an_unknown_name_is_told_the_nearest(lake, models):
    with pytest.raises(SpecError, match="no registered model 'tidemil-demo'; did you mean 'tidemill-demo'"):
        find_model(lake, "model:tidemil-demo@champion")


def test_without_any_model_it_says_what_makes_one(lake):
    with pytest.raises(SpecError, match="nothing is registered yet: `tidemill run` does that"):
        find_model(lake, "model:tidemill-demo@champion")


def test_an_unknown_version_is_told_which_there_are(lake, models):
    with pytest.raises(SpecError, match="has no '9'; it has 1, 2, 3, champion, challenger"):
        find_model(lake, "model:tidemill-demo@9")


def test_a_checkpoint_that_was_collected_is_said_to_be(lake, models):
    remove_artifacts(lake, [models[0]])
    with pytest.raises(LakeError, match="is not in the lake any more; run its snapshot again"):
        find_model(lake, "model:tidemill-demo@1")


def test_an_altered_checkpoint_is_never_given_out(lake, models, caplog):
    (models[1].path / "words").write_text("other weights")
    with pytest.raises(LakeError, match="is not in the lake any more"):
        find_model(lake, "model:tidemill-demo@champion")
    assert "set aside" in caplog.text
