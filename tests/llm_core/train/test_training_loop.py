import json
import math
from pathlib import Path

import pytest
import torch

from llm_core.errors import ConfigError
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model
from llm_core.train.config import DataSource
from llm_core.train.curve import read_curve
from llm_core.train.loop import train
from llm_core.train.metrics import Callback
from tests.llm_core.feed.shard_writer import ShardWriter


class Recorder(Callback):
    def __init__(self):
        self.steps, self.validations, self.events = [], [], []

    def on_step(self, metrics):
        self.steps.append(metrics)

    def on_validation(self, metrics):
        self.validations.append(metrics)

    def on_event(self, event):
        self.events.append(event.kind)


def files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_training_learns_and_leaves_a_model_a_curve_and_a_journal(make_run, corpus):
    config = make_run(steps=60, validate_every=25, run={"validation": str(corpus / "held_out")})
    recorder = Recorder()
    result = train(config, recorder)
    assert recorder.steps[0].loss == pytest.approx(math.log(64), abs=0.1)
    assert recorder.validations[-1].bits_per_token < 3.0  # 6 bits untrained, 1 bit at best
    assert [metrics.step for metrics in recorder.validations] == [25, 50, 60]
    assert set(files(config.output)) == {"model.safetensors", "config.json", "curve.csv", "journal.json"}
    assert load_model(Path(config.output)).config == config.model
    curve = read_curve((Path(config.output) / "curve.csv").read_text())
    assert [point.loss for point in curve] == [metrics.loss for metrics in recorder.steps]
    journal = json.loads((Path(config.output) / "journal.json").read_text())
    assert journal["tokens"] == result.tokens == 60 * 8 * 16
    assert journal["environment"]["precision"] == "fp32"
    assert journal["validation_loss"] == result.validation_loss == recorder.validations[-1].loss


def test_the_same_run_gives_the_same_bytes(make_run, corpus):
    first, second = (make_run(name, run={"validation": str(corpus / "held_out")}) for name in ("first", "second"))
    train(first)
    train(second)
    assert files(first.output) == files(second.output)


def test_training_leaves_the_callers_random_state_and_threads_alone(make_run):
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    train(make_run(steps=2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_accumulated_micro_batches_equal_one_large_batch(make_run, corpus, micro_batch):
    skip = tuple(span.document for span in Shards(corpus / "train").spans(0, 700))
    whole, parts = Recorder(), Recorder()
    train(make_run("whole", run={"skip_documents": skip}), whole)
    train(make_run("parts", run={"skip_documents": skip}, micro_batch=micro_batch), parts)
    assert [m.loss for m in parts.steps] == pytest.approx([m.loss for m in whole.steps], rel=1e-4)
    assert [m.gradient_norm for m in parts.steps] == pytest.approx([m.gradient_norm for m in whole.steps], rel=1e-3)


def test_a_masked_document_leaves_no_trace_in_the_weights(make_run, corpus, tmp_path):
    """Whatever the text of a masked page was, the weights are the same, bit for bit."""
    shards = Shards(corpus / "train")
    spans = shards.spans(0, shards.tokens)
    forgotten = {span.document for span in spans[3:40:4]}
    with ShardWriter(tmp_path / "altered", shards.vocab_size, shard_tokens=2000) as writer:
        for span in spans:
            tokens = shards.read(span.start, span.stop - span.start)
            writer.add(span.document, 63 - tokens if span.document in forgotten else tokens)
    skip = {"skip_documents": tuple(sorted(forgotten))}
    original = make_run("original", run=skip)
    altered = make_run("altered", run=skip | {"data": (DataSource(str(tmp_path / "altered")),)})
    unmasked = make_run("unmasked")
    for config in (original, altered, unmasked):
        train(config)
    assert files(original.output)["model.safetensors"] == files(altered.output)["model.safetensors"]
    assert files(original.output)["model.safetensors"] != files(unmasked.output)["model.safetensors"]


def test_a_child_continues_from_its_parent(make_run, corpus):
    parent = make_run("parent", steps=40)
    train(parent)
    child = make_run(
        "child",
        steps=4,
        run={
            "init_from": parent.output,
            "model": None,
            "data": (DataSource(str(corpus / "held_out"), 3.0), DataSource(str(corpus / "train"), 1.0)),
        },
    )
    recorder = Recorder()
    train(child, recorder)
    assert recorder.steps[0].loss < 3.0
    assert load_model(Path(child.output)).config == parent.model


def test_a_given_model_trains_only_what_is_not_frozen(make_run):
    parent = make_run("parent")
    train(parent)
    model = load_model(Path(parent.output))
    model.requires_grad_(False)
    model.layers[1].mlp.requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(make_run("adapter"), model=model)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("layers.1.mlp")}


def test_measured_choices_are_made_and_recorded(make_run):
    environment = train(make_run(precision="auto", threads=0)).environment
    assert environment.precision in ("fp32", "bf16")
    assert environment.threads >= 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"processes": 2}, "processes is 2, but 1 started"),
        ({"model": "small"}, "the model's vocab_size is 50; set it to 64 or more"),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(make_run, change, complaint):
    config = make_run()
    if change.get("model") == "small":
        change = {"model": type(config.model)(vocab_size=50, hidden_size=16, layers=1, heads=2)}
    with pytest.raises(ConfigError, match=complaint):
        train(make_run(run=change))
