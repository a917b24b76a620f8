"""Real processes: two of them training together, what dies with whom, and a machine with little installed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from llm_core.model.checkpoint import load_model
from llm_core.train.curve import Point, read_curve
from llm_core.train.launch import launch_command, launch_environment
from llm_core.train.loop import train

ROOT = Path(sys.modules["llm_core"].__file__).parents[1]
ABSENT = ["dagster", "mlflow", "pydantic", "pandas", "pyarrow", "transformers", "peft"]


def write(config, folder: Path) -> str:
    path = folder / f"{Path(config.output).parent.name}.json"
    path.write_text(json.dumps(asdict(config)))
    return str(path)


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


def curve(config) -> list[Point]:
    return read_curve((Path(config.output) / "curve.csv").read_text())


def test_two_processes_train_the_model_of_one(make_run, corpus, tmp_path):
    held_out = {"validation": str(corpus / "held_out")}
    one = make_run("one", micro_batch=2, run=held_out)
    two = make_run("two", micro_batch=2, run=held_out | {"processes": 2})
    train(one)
    command = [sys.executable, "-m", "llm_core.train", write(two, tmp_path)]
    done = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [point.step for point in curve(two)] == [point.step for point in curve(one)]
    for name in ("loss", "gradient_norm"):
        expected = [getattr(point, name) for point in curve(one)]
        assert [getattr(point, name) for point in curve(two)] == pytest.approx(expected, rel=2e-3)
    assert curve(two)[-1].validation_loss == pytest.approx(curve(one)[-1].validation_loss, rel=2e-3)
    assert json.loads((Path(two.output) / "journal.json").read_text())["environment"]["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["starter", "launcher", "worker"])
def test_no_process_outlives_a_kill_of_any(make_run, tmp_path, victim):
    config = make_run("orphans", steps=1_000_000, run={"processes": 2})
    command = [*launch_command(2), "-m", "llm_core.train", write(config, tmp_path)]
    command[3] = "PARENT"
    script = (
        "import os, subprocess, sys; words = [str(os.getpid()) if w == 'PARENT' else w for w in sys.argv[1:]];"
        "sys.exit(subprocess.Popen(words).wait())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, *command],
        env=environment(**launch_environment(2)),
        stderr=subprocess.PIPE,
        text=True,
    ) as starter:
        assert any(line.startswith("step ") for line in starter.stderr)
        (launcher,) = psutil.Process(starter.pid).children()
        workers = launcher.children()
        assert len(workers) == 2
        {"starter": starter, "launcher": launcher, "worker": workers[1]}[victim].send_signal(signal.SIGKILL)
        starter.stderr.read()  # ends when the last process that holds it does
        _, alive = psutil.wait_procs([launcher, *workers], timeout=60)
        assert not alive
        assert starter.wait() != 0


def test_the_core_trains_without_the_rest_of_the_project(make_run, tmp_path):
    """Dagster, MLflow, pydantic and the like cannot be imported, as on a machine that lacks them."""
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "sitecustomize.py").write_text(
        f"import sys\nfor name in {ABSENT!r}:\n    sys.modules[name] = None  # importing it raises ImportError\n"
    )
    config = make_run("lone", steps=3)
    command = [sys.executable, "-m", "llm_core.train", write(config, tmp_path)]
    paths = {"PYTHONPATH": f"{lacking}{os.pathsep}{ROOT}"}
    for name in ABSENT:
        probe = subprocess.run([sys.executable, "-c", f"import {name}"], env=environment(**paths), capture_output=True)
        assert probe.returncode != 0, f"{name} must be hidden for the test to mean anything"
    done = subprocess.run(command, env=environment(**paths), stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "tokens/s" in done.stderr
    assert load_model(Path(config.output)).config == config.model


def test_mistakes_end_with_one_line_and_status_2(tmp_path):
    command = [sys.executable, "-m", "llm_core.train", str(tmp_path / "absent.json")]
    done = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr.startswith("ConfigError: ")
    assert len(done.stderr.splitlines()) == 1
