"""A stage's VERSION is decided whenever its logic changes: raised if it makes something else, accepted if not."""

import ast

import pytest

from assets.stage import Stage
from tests import version_lock
from tests.version_lock import hash_of, logic_of, read_lock, stages

STAGES = stages()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_version_of_changed_logic_was_decided(stage: Stage):
    locked, now = read_lock().get(stage.name), logic_of(stage)
    if locked == now:
        return
    before = locked.code if locked else {}
    changed = [name for name in {**before, **now.code} if before.get(name) != now.code.get(name)]
    pytest.fail(
        f"the logic of {stage.name} (VERSION {now.version}) is not what it was when that was decided: "
        f"{', '.join(changed) or 'only VERSION changed'}. If it makes other bytes now, raise its VERSION in its "
        f"asset.py; if not, leave it. Then record the decision: python -m tests.version_lock --accept {stage.name}",
        pytrace=False,
    )


def test_no_stage_is_locked_that_is_not_there():
    assert set(read_lock()) == {stage.name for stage in STAGES}


SOURCE = '''
"""What it is."""
LIMIT = 3
"""How many."""

def cut(words: list[str]) -> str:
    """Shorten."""
    return f"{words[:LIMIT]!r}"  # why
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [("  # why", ""), ('"""Shorten."""', '"""Make it short."""'), ('"""How many."""', ""), ("\n\n", "\n\n\n")],
)
def test_docstrings_comments_and_layout_are_no_logic(old, new):
    assert hash_of(ast.parse(SOURCE.replace(old, new))) == hash_of(ast.parse(SOURCE))


@pytest.mark.parametrize(("old", "new"), [("= 3", "= 4"), ("words[:", "words[1:"), ("!r", ""), ("list", "tuple")])
def test_everything_else_is(old, new):
    assert hash_of(ast.parse(SOURCE.replace(old, new))) != hash_of(ast.parse(SOURCE))


def test_a_stage_is_followed_into_what_it_shares_and_not_into_what_shows_it():
    code = logic_of(next(stage for stage in STAGES if stage.name == "pretrained_checkpoint")).code
    assert {"assets/pretrain/pretrain.py", "assets/training.py", "llm_core/train/loop.py"} <= set(code)
    assert "llm_core/model/transformer.py" in code
    assert not {name for name in code if name.startswith(("resources", "assets/plots", "assets/stage"))}


def test_stages_of_one_folder_have_logic_of_their_own():
    code = {stage.name: set(logic_of(stage).code) for stage in STAGES}
    assert "assets/tokens/shards.py" not in code["tokenizer"]
    assert "assets/tokens/tokenizer.py" not in code["token_shards"]


def test_a_change_fails_with_what_to_do(monkeypatch, tmp_path):
    lock = read_lock()
    name = "extracted"
    changed = {**lock[name].code, "assets/extract/language.py": "0"}
    monkeypatch.setattr(version_lock, "LOCK", tmp_path / "lock.json")
    version_lock.write_lock({**lock, name: version_lock.Logic(lock[name].version, changed)})
    with pytest.raises(pytest.fail.Exception, match=r"assets/extract/language.py.*--accept extracted"):
        test_the_version_of_changed_logic_was_decided(next(stage for stage in STAGES if stage.name == name))
