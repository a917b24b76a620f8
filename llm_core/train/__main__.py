"""``python -m llm_core.train CONFIG.json``: train with no more than torch, accelerate and a folder of shards."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from llm_core.train.config import RunConfig
from llm_core.train.interrupt import exit_status
from llm_core.train.launch import become_launcher, die_with_launcher, is_launched, launch_environment
from llm_core.train.metrics import ProgressLines

USAGE = "usage: python -m llm_core.train CONFIG.json"


def main(arguments: Sequence[str]) -> int:
    """Run a configuration; where it asks for several processes, become their launcher. Returns the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{USAGE}\n\n{RunConfig.__doc__}")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    def run() -> None:
        config = RunConfig.from_file(Path(arguments[0]))
        if config.processes > 1 and not is_launched():
            os.environ.update(launch_environment(config.processes))
            become_launcher(config.processes, ["-m", "llm_core.train", *arguments])
        die_with_launcher()
        from llm_core.train.loop import train  # late: a launcher does not need it

        train(config, ProgressLines())

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
