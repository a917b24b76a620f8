import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from llm_core.feed.order import Order, Source
from llm_core.feed.shards import Shards
from llm_core.train.checkpoint import CheckpointError, list_checkpoints
from llm_core.train.interrupt import EXIT_CODE, TrainingInterruptedError
from llm_core.train.loop import train
from llm_core.train.metrics import Callback


class KillError(Exception):
    """Stands for whatever ends a process."""


class KilledAt(Callback):
    """Raise after a step, or when the event of a kind comes for the n-th time."""

    def __init__(self, step: int = -1, signal_step: int = -1):
        self.step, self.signal_step = step, signal_step
        self.seen, self.events = [], []

    def on_step(self, metrics):
        self.seen.append(metrics.step)
        if metrics.step == self.step:
            raise KillError
        if metrics.step == self.signal_step:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_event(self, event):
        self.events.append(event.kind)


def files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture
def undisturbed(make_run):
    config = make_run("undisturbed")
    train(config)
    return files(config.output)


def checkpoints(config) -> dict[int, Path]:
    return list_checkpoints(Path(config.scratch) / "checkpoints")


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_a_killed_run_ends_with_the_same_bytes(make_run, optimiser):
    straight, killed = make_run("straight", optimiser=optimiser), make_run("killed", optimiser=optimiser)
    train(straight)
    for step in (1, 5, 6, 11):
        with pytest.raises(KillError):
            train(killed, KilledAt(step))
    train(killed)
    assert files(killed.output) == files(straight.output)


def test_a_resumed_run_takes_no_step_before_its_checkpoint(make_run):
    config = make_run()
    with pytest.raises(KillError):
        train(config, KilledAt(9))
    watch = KilledAt()
    train(config, watch)
    assert watch.seen == list(range(8, 12))
    assert watch.events[0] == "resumed"


def test_only_the_newest_checkpoints_are_kept(make_run):
    config = make_run(steps=30, keep_last=3)
    train(config)
    assert list(checkpoints(config)) == [24, 28, 30]


def test_a_finished_run_is_finished_again_without_training(make_run, undisturbed):
    config = make_run("undisturbed")
    shutil.rmtree(config.output)
    watch = KilledAt()
    train(config, watch)
    assert watch.seen == []
    assert files(config.output) == undisturbed


def test_half_written_and_damaged_checkpoints_are_never_loaded(make_run, undisturbed):
    config = make_run("damaged")
    with pytest.raises(KillError):
        train(config, KilledAt(10))
    newest = checkpoints(config)[8]
    shutil.copytree(newest, newest.with_name(".step-00000009.aside"))
    optimiser = newest / "optimiser.safetensors"
    optimiser.write_bytes(optimiser.read_bytes()[:-1])
    watch = KilledAt()
    train(config, watch)
    assert watch.seen == list(range(4, 12))
    assert files(config.output) == undisturbed
    assert not list(newest.parent.glob(".*"))


def test_checkpoints_of_another_run_are_refused(make_run):
    with pytest.raises(KillError):
        train(make_run(), KilledAt(5))
    with pytest.raises(CheckpointError, match="of another run"):
        train(make_run(seed=1))


def test_sigterm_leaves_a_checkpoint_of_the_step_it_came_in(make_run, undisturbed):
    config = make_run("stopped")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError, match="after step 6"):
        train(config, KilledAt(signal_step=5))
    assert signal.getsignal(signal.SIGTERM) is before
    assert max(checkpoints(config)) == 7
    train(config)
    assert files(config.output) == undisturbed


def test_a_document_is_forgotten_by_replay_from_before_its_first_use(make_run, corpus):
    """The replayed weights are those of a run that had the document masked from the start."""
    recipe = {"steps": 24, "keep_last": 9}
    order = Order([Source(Shards(corpus / "train"))], length=16, sequences=8, seed=0)
    documents = [span.document for span in order.sources[0].shards.spans(0, 10**6)]
    late = next(d for d in documents if 8 <= order.steps_of_document(d, 24)[0] < 16)
    trained = make_run("trained", **recipe)
    train(trained)
    skip = {"skip_documents": (late,)}
    oracle, replayed = make_run("oracle", run=skip, **recipe), make_run("trained", run=skip, **recipe)
    train(oracle)
    watch = KilledAt()
    train(replayed, watch)
    assert watch.seen[0] in (8, 12)
    assert files(replayed.output) == files(oracle.output)


@pytest.fixture
def start(tmp_path):
    """Start ``python -m llm_core.train`` on a configuration."""
    started = []

    def start(config) -> subprocess.Popen:
        path = tmp_path / "run.json"
        path.write_text(json.dumps(asdict(config)))
        root = Path(sys.modules["llm_core"].__file__).parents[1]
        command = [sys.executable, "-m", "llm_core.train", str(path)]
        environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for_step(process: subprocess.Popen) -> None:
    for line in process.stderr:
        if line.startswith("step "):
            return
    raise AssertionError("the run ended before its first step")


def test_kill_9_and_sigterm_of_a_real_process(make_run, start):
    straight, killed = (make_run(name, steps=300, checkpoint_every=100) for name in ("straight", "killed"))
    train(straight)
    process = start(killed)
    wait_for_step(process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not Path(killed.output).exists()

    process = start(killed)
    wait_for_step(process)
    process.terminate()
    assert process.wait() == EXIT_CODE == 143
    assert "run it again to go on" in process.stderr.read()

    train(killed)
    assert files(killed.output) == files(straight.output)
