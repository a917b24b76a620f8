import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_core.feed.order import Order, Source
from llm_core.feed.shards import Shards
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.train.config import DataSource
from llm_core.train.loop import train
from llm_core.train.metrics import Callback
from llm_core.train.recovery import TrainingDivergedError, what_is_wrong
from tests.llm_core.feed.shard_writer import ShardWriter

POISON = 63


class Fragile(Transformer):
    """A decoder that gives NaN wherever it reads the poisonous token."""

    def states(self, tokens, **arguments):
        states = super().states(tokens, **arguments)
        return torch.where((tokens == POISON)[..., None], torch.nan, states)


class Events(Callback):
    def __init__(self, kill_at=None):
        self.seen, self.rewound, self.kill_at = [], [], kill_at

    def on_step(self, metrics):
        self.seen.append(metrics.step)
        if metrics.step == self.kill_at:
            raise KeyboardInterrupt

    def on_event(self, event):
        if event.kind == "rewound":
            self.rewound.append(event.message)


@pytest.fixture
def poisoned(corpus, tmp_path):
    """The corpus with the poisonous token in one document."""
    shards = Shards(corpus / "train")
    with ShardWriter(tmp_path / "poisoned", shards.vocab_size) as writer:
        for number, span in enumerate(shards.spans(0, shards.tokens)):
            tokens = shards.read(span.start, span.stop - span.start)
            if number == 30:
                tokens[len(tokens) // 2] = POISON
            writer.add(span.document, tokens)
    return Shards(tmp_path / "poisoned")


def bad_steps(shards: Shards, steps: int) -> list[int]:
    order = Order([Source(shards)], length=16, sequences=8, seed=0)
    return [step for step in range(steps) if any(POISON in shards.read(int(w) * 16, 16) for w in order.rows(step)[1])]


def blamed_for(bad: list[int]) -> set[int]:
    """Each bad step, and the last one taken before it, whose update led there."""
    skipped: set[int] = set()
    for step in bad:
        taken = [before for before in range(step) if before not in skipped]
        skipped |= {*taken[-1:], step}
    return skipped


def fragile() -> Transformer:
    torch.manual_seed(0)
    return Fragile(ModelConfig(vocab_size=64, hidden_size=16, layers=2, heads=2, tied=False, max_positions=64))


def test_nan_rewinds_skips_the_batches_and_is_journaled(make_run, poisoned):
    config = make_run(steps=60, checkpoint_every=3, run={"data": (DataSource(str(poisoned.folder)),)})
    bad = bad_steps(poisoned, 60)
    assert bad, "the poison must be met"
    events = Events()
    result = train(config, events, model=fragile())
    blamed = sorted(blamed_for(bad))
    assert list(result.skipped_steps) == blamed
    assert result.steps == 60 - len(blamed)
    journal = json.loads((Path(config.output) / "journal.json").read_text())
    assert [rewind["step"] for rewind in journal["rewinds"]] == bad
    assert {rewind["reason"] for rewind in journal["rewinds"]} == {"loss is not finite"}
    assert len(events.rewound) == len(bad)
    curve = (Path(config.output) / "curve.csv").read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in curve] == [step for step in range(60) if step not in blamed]


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_kill_near_a_rewind_changes_no_byte(make_run, poisoned, after):
    data = {"data": (DataSource(str(poisoned.folder)),)}
    straight = make_run("straight", steps=60, checkpoint_every=3, run=data)
    killed = make_run("killed", steps=60, checkpoint_every=3, run=data)
    train(straight, model=fragile())
    step = next(s for s in range(bad_steps(poisoned, 60)[0] + 1 + after, 60))
    with pytest.raises(KeyboardInterrupt):
        train(killed, Events(kill_at=step), model=fragile())
    train(killed, model=fragile())
    for name in ("model.safetensors", "curve.csv", "journal.json"):
        assert (Path(killed.output) / name).read_bytes() == (Path(straight.output) / name).read_bytes()


def test_a_run_that_keeps_going_wrong_gives_up_with_advice(make_run, poisoned):
    model = fragile()
    torch.nn.init.constant_(model.norm.weight, torch.nan)
    with pytest.raises(
        TrainingDivergedError, match=r"loss is not finite at step .* after 2 rewinds; lower learning_rate"
    ):
        train(make_run(steps=60, max_rewinds=2), model=model)


losses = st.lists(st.floats(1.0, 2.0), min_size=20, max_size=20)


@given(past=losses, threshold=st.floats(5, 20))
def test_a_spike_is_judged_by_the_losses_before_it(past, threshold):
    older = [9.9, 9.9, *past]  # beyond the window
    assert what_is_wrong(2.0 + threshold * 2, 1.0, older, threshold=threshold, window=20) == "loss spike"
    assert what_is_wrong(sorted(past)[10], 1.0, older, threshold=threshold, window=20) is None


@pytest.mark.parametrize(
    ("loss", "norm", "verdict"),
    [
        (float("nan"), 1.0, "loss is not finite"),
        (float("inf"), 1.0, "loss is not finite"),
        (1.0, float("nan"), "gradient is not finite"),
        (99.0, 1.0, None),
    ],
)
def test_without_a_full_window_only_numbers_that_are_not_finite_are_wrong(loss, norm, verdict):
    assert what_is_wrong(loss, norm, [1.0] * 19, threshold=10.0, window=20) == verdict


def test_the_rule_can_be_switched_off():
    assert what_is_wrong(1e9, 1.0, [1.0] * 5, threshold=0.0, window=5) is None
