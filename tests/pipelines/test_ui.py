"""`tidemill ui`: what its pages launch is what the command makes, and nothing stays behind when it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.pipelines.test_story import processes_of

COMMAND = [sys.executable, "-m", "pipelines.cli.main"]
FIRST, SECOND = "2026-01-05", "2026-01-12"
TINY = """\
extends: smoke
crawl:
  source:
    web:
      packages:
        - ["stdlib:json", "stdlib:argparse", "stdlib:textwrap"]
        - ["stdlib:difflib", "stdlib:shlex", "stdlib:string"]
      max_pages_per_host: 6
quality:
  split: {held_out_hosts: [argparse.python.docs.test, textwrap.python.docs.test, difflib.python.docs.test]}
tokenizer: {vocab_size: 384}
pretrain:
  model: {hidden_size: 32, layers: 1, heads: 1, kv_heads: 1, max_positions: 128, tied: true}
  train: {steps: 60, length: 64, checkpoint_every: 60}
  continued_steps: 2
finetune: {train: {steps: 2, length: 64, checkpoint_every: 2}}
lora: {train: {steps: 2, length: 64, checkpoint_every: 2}}
evaluate: {tokens: 3000, completion_items: 4, context_tokens: 64, stride_tokens: 32, sample_prompts: 1}
monitor: {reference_requests: 100}
"""
RUN = """mutation ($execution: ExecutionParams!) {
  launchRun(executionParams: $execution) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
BACKFILL = """mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
REPOSITORY = {"repositoryLocationName": "pipelines.definitions", "repositoryName": "__repository__"}


class UI:
    """`tidemill ui` as a child, and its GraphQL."""

    def __init__(self, home: Path, profile: Path | str):
        words = ["--profile", str(profile), "--home", str(home), "--dagster-port", "0", "--mlflow-port", "0"]
        self.process = subprocess.Popen([*COMMAND, "ui", *words], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.dagster, self.mlflow = (
            re.search(r"http://127\.0\.0\.1:\d+", self.process.stdout.readline())[0] for _ in range(2)
        )

    def ask(self, query: str, **variables: object) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.dagster}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())
        assert "errors" not in found, found
        return found["data"]

    def end(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)
        self.process.wait()


@pytest.fixture
def start_ui() -> Iterator[Callable[[Path, Path | str], UI]]:
    started: list[UI] = []

    def start(home: Path, profile: Path | str) -> UI:
        started.append(UI(home, profile))
        return started[-1]

    yield start
    for ui in started:
        if ui.process.poll() is None:
            ui.end(signal.SIGTERM)


def eventually(holds: Callable[[], bool], seconds: float = 900) -> None:
    pause = threading.Event()
    for _ in range(int(seconds)):
        if holds():
            return
        pause.wait(1)
    raise AssertionError(f"it did not come about in {seconds} s")


def tidemill(*words: str) -> dict:
    done = subprocess.run([*COMMAND, *words, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def digests(answer: dict) -> dict:
    return {(a["stage"], a["partition"]): a["digest"] for a in answer["artifacts"]}


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_run_and_a_backfill_launched_through_the_pages_make_what_the_command_makes(tmp_path, start_ui):
    profile = tmp_path / "tiny.yaml"
    profile.write_text(TINY)
    by_command = tidemill("run", "--profile", str(profile), "--home", str(tmp_path / "command"))
    home = tmp_path / "pages"
    ui = start_ui(home, profile)

    def states() -> list[tuple[str, str]]:
        runs = ui.ask(RUNS)["runsOrError"]["results"]
        tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]
        found = [(tag["dagster/partition"], run["status"]) for run, tag in zip(runs, tags, strict=True)]
        assert not [status for _, status in found if status in ("FAILURE", "CANCELED")], found
        return sorted(found)

    execution = {
        "selector": {**REPOSITORY, "pipelineName": "all"},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": FIRST}]},
        "mode": "default",
        "runConfigData": {},
    }
    assert ui.ask(RUN, execution=execution)["launchRun"]["__typename"] == "LaunchRunSuccess"
    eventually(lambda: states() == [(FIRST, "SUCCESS")])
    backfill = {
        "selector": {"repositorySelector": REPOSITORY, "partitionSetName": "all_partition_set"},
        "partitionNames": [FIRST, SECOND],
    }
    answer = ui.ask(BACKFILL, backfill=backfill)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    eventually(lambda: states() == [(FIRST, "SUCCESS"), (FIRST, "SUCCESS"), (SECOND, "SUCCESS")])

    by_pages = tidemill("run", "--profile", str(profile), "--home", str(home))
    assert all(artifact["cached"] for artifact in by_pages["artifacts"])
    assert digests(by_pages) == digests(by_command)
    assert by_pages["champion"] == by_command["champion"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_both_pages_answer_and_no_child_outlives_them(tmp_path, start_ui, number):
    ui = start_ui(tmp_path, "smoke")
    for page in (f"{ui.dagster}/server_info", f"{ui.mlflow}/health"):
        with urllib.request.urlopen(page, timeout=30) as answer:
            assert answer.status == 200
    children = processes_of(tmp_path)
    assert len(children) > 3  # the command, the webserver, the daemon, MLflow, and what those start
    ui.end(number)
    _, alive = psutil.wait_procs([*children, *processes_of(tmp_path)], timeout=60)
    assert [process.cmdline() for process in alive] == []
