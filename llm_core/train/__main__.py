"""``python -m llm_core.train CONFIG.json``: train with no more than torch, accelerate and a folder of shards."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from llm_core.errors import LLMCoreError
from llm_core.train.config import RunConfig
from llm_core.train.interrupt import EXIT_CODE, TrainingInterruptedError
from llm_core.train.launch import die_with_launcher, is_launched, launch_command, launch_environment
from llm_core.train.progress import ProgressLines

USAGE = "usage: python -m llm_core.train CONFIG.json"


def main(arguments: Sequence[str]) -> int:
    """Run a configuration; start further processes if it asks for them.

    Returns:
        0 when the run is finished; 143 when SIGTERM stopped it (start it again to go on); 2 on errors of its own.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{USAGE}\n\n{RunConfig.__doc__}")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        config = RunConfig.from_file(Path(arguments[0]))
        if config.processes > 1 and not is_launched():
            return _launch(config.processes, arguments)
        die_with_launcher()
        from llm_core.train.loop import train  # late: a process that only launches others does not need it

        train(config, ProgressLines(sys.stderr))
    except TrainingInterruptedError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CODE
    except LLMCoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


def _launch(processes: int, arguments: Sequence[str]) -> int:
    command = [*launch_command(processes), "-m", "llm_core.train", *arguments]
    with subprocess.Popen(command, env=os.environ | launch_environment(processes)) as child:

        def forward(number: int, frame: FrameType | None) -> None:
            child.send_signal(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, forward)
        status = child.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
