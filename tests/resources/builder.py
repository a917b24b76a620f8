"""A process of its own that builds: `python -m tests.resources.builder LAKE HOME die|wait`.

It writes two files of three; then it kills itself, or says so and goes on when it is told to.
"""

import os
import signal
import sys
from pathlib import Path

from resources.build import Build, Outcome
from resources.lake import Lake
from tests.resources.conftest import recipe


def main(root: str, home: str, end: str) -> None:
    def run(build: Build) -> Outcome:
        for number in range(3):
            if number == 2 and end == "die":
                (build.scratch / "partial").mkdir(exist_ok=True)
                (build.scratch / "partial" / "half").write_text("half of a fi")
                os.kill(os.getpid(), signal.SIGKILL)
            if number == 2:
                sys.stdout.write("building\n")
                sys.stdout.flush()
                sys.stdin.readline()
            build.write(f"{number}.txt", f"number {number}\n")
        return Outcome({"files": 3})

    Lake(root, Path(home)).build(recipe(), run)


if __name__ == "__main__":
    main(*sys.argv[1:])
