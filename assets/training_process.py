"""What a launched training process runs: `python -m assets.training_process RUN.json`, under Dagster Pipes or not.

Only the main process (rank 0) opens Pipes: its metrics and events stream to the asset's log, its progress
goes to a small file beside the checkpoints, which the stage that launched it reads. MLflow, a projection of
the lake, gets the curve when the checkpoint is committed.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_core.train.config import RunConfig
from llm_core.train.interrupt import exit_status
from llm_core.train.launch import die_with_launcher
from llm_core.train.loop import train
from llm_core.train.metrics import ProgressLines, StepMetrics
from resources.build import Progress

PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"
PROGRESS_FILE = "progress.json"


class ReportingCallback(ProgressLines):
    """Training's metrics as progress of a build, and as lines of a log."""

    def __init__(self, report: Callable[[Progress], None], tell: Callable[[str], None] = lambda line: None):
        super().__init__(tell)
        self.report = report

    def on_step(self, metrics: StepMetrics) -> None:
        super().on_step(metrics)
        self.report(Progress(f"train, loss {metrics.loss:.3f}", metrics.step + 1, metrics.steps, "steps"))


def main(config_file: Path) -> int:
    """Train what a run's JSON file says; returns the exit status."""
    die_with_launcher()

    def run() -> None:
        config = RunConfig.from_file(config_file)
        progress = Path(config.scratch) / PROGRESS_FILE
        with _pipes() as pipes:
            tell = pipes.log.info if pipes is not None else lambda line: None
            train(config, ReportingCallback(lambda step: _write(progress, step), tell))

    return exit_status(run)


def _pipes() -> AbstractContextManager[Any]:
    if PIPES_VARIABLE not in os.environ or os.environ.get("RANK", "0") != "0":
        return nullcontext(None)
    from dagster_pipes import open_dagster_pipes

    return open_dagster_pipes()


def _write(path: Path, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(asdict(progress)))
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
