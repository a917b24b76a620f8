"""The profile `gpu`, for a machine that few have: the training that it would launch is the one that it describes."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from assets.stage import Inputs
from llm_core.model.transformer import Transformer
from llm_core.train.config import RunConfig
from llm_core.train.launch import launch_command
from pipelines.layers import PROFILES
from pipelines.lineage import lineage_of
from pipelines.spec import load
from resources.artifact import Artifact
from resources.build import Build
from resources.store import Store
from tests.llm_core.feed.shard_writer import ShardWriter


class LaunchedError(Exception):
    """The training was launched; the test has seen enough."""


def test_it_launches_the_model_and_recipe_that_it_describes(tmp_path: Path):
    spec = load("gpu", environment={}).spec
    for split in ("train", "held_out"):
        with ShardWriter(tmp_path / "shards" / split, spec.tokenizer.vocab_size) as shards:
            shards.add("0" * 32, range(2, 2 + 2 * spec.pretrain.train.length))
    commands = []

    def launch(command: Sequence[str], environment: Mapping[str, str]) -> None:
        commands.append(list(command))
        raise LaunchedError

    (tmp_path / "scratch").mkdir()
    build = Build(Store(tmp_path / "lake"), "pretrained_checkpoint/0", tmp_path / "scratch", launch=launch)
    shards, tokenizer = (Artifact(name, "2026-01-05", "0", "0", (tmp_path / name).as_uri()) for name in ("shards", "t"))
    inputs = Inputs({"token_shards": [shards], "tokenizer": [tokenizer], "champion": []})
    with pytest.raises(LaunchedError):
        lineage_of(spec).stage("pretrained_checkpoint").run(build, inputs)

    (command,) = commands
    assert command == [*launch_command(1), "-m", "assets.training_process", command[-1]]
    run = RunConfig.from_file(Path(command[-1]))
    assert (run.train.precision, run.train.compile, run.train.steps) == ("bf16", "on", 20_000)
    assert (run.train.sequences, run.train.micro_batch, run.train.length) == (128, 32, 1024)
    assert run.train == spec.pretrain.train
    with torch.device("meta"):
        model = Transformer(run.model)
    said = re.search(r"(\d+) M parameters", (PROFILES / "gpu.yaml").read_text())
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e6) == int(said[1])
