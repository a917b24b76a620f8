import json
from dataclasses import asdict

import pytest

from llm_core.errors import ConfigError
from llm_core.parsing import read_dataclass
from llm_core.train.config import RunConfig, TrainConfig
from llm_core.train.curve import Point, read_curve, write_curve
from llm_core.train.schedule import rate_factor


def test_a_run_survives_the_way_through_json(make_run):
    config = make_run(run={"skip_documents": ("aa", "bb")}, embedding_learning_rate=0.5)
    assert read_dataclass(RunConfig, json.loads(json.dumps(asdict(config))), "run") == config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"optput": "x"}, r"has no field 'optput'; did you mean 'output'\?"),
        ({"train": {"learningrate": 1.0}}, r"train has no field 'learningrate'; did you mean 'learning_rate'\?"),
        ({"train": {"steps": "10"}}, r"train: steps is '10'; it must be of type int"),
        ({"train": {"steps": True}}, r"train: steps is True; it must be of type int"),
        ({"train": {"decay": "cosin"}}, r"train: decay is 'cosin'; it must be one of 'linear', 'cosine'"),
        ({"train": {"keep_last": 1}}, r"TrainConfig.keep_last is 1; it must be at least 2"),
        ({"data": "shards"}, r"data is 'shards'; it must be a list"),
        ({"data": [{"weight": 2}]}, r"data\[0\] lacks the field 'path'"),
        ({"data": []}, r"RunConfig.data is empty"),
        ({"model": None}, r"neither model nor init_from"),
        ({"model": {"layer": 2}}, r"model has no field 'layer'; did you mean 'layers'\?"),
        ({"processes": 3}, r"sequences is 8; it must be a multiple of processes=3"),
    ],
)
def test_mistakes_are_named_with_their_mend(make_run, tmp_path, change, complaint):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(asdict(make_run()) | change))
    with pytest.raises(ConfigError, match=complaint):
        RunConfig.from_file(path)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.json cannot be read"):
        RunConfig.from_file(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match=r"broken.json is no JSON"):
        RunConfig.from_file(tmp_path / "broken.json")


def test_the_rate_warms_up_holds_and_falls():
    config = TrainConfig(steps=100, warmup_steps=10, decay="wsd", decay_fraction=0.5, final_rate=0.1)
    factors = [rate_factor(config, step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:51] == [1.0] * 42
    assert factors[75] == pytest.approx(0.55)
    assert factors[99] == pytest.approx(0.118)


@pytest.mark.parametrize(("decay", "middle"), [("linear", 0.5), ("cosine", 0.5), ("none", 1.0)])
def test_decays_start_at_the_peak(decay, middle):
    config = TrainConfig(steps=100, warmup_steps=0, decay=decay)
    assert rate_factor(config, 0) == 1.0
    assert rate_factor(config, 50) == pytest.approx(middle)


def test_a_curve_keeps_every_digit():
    points = [Point(0, 0.1 + 0.2, 1e-3, 1 / 3, 2 / 3), Point(3, 1.5, 1e-4, 2.0)]
    assert read_curve(write_curve(points)) == points
