"""Training as a process of its own: started plainly, or through Dagster Pipes so that its log streams to the run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resources.errors import BuildError

if TYPE_CHECKING:
    import dagster as dg


def launch_plainly(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command to its end.

    Raises:
        BuildError: if it fails; what it did is kept, and the next attempt continues from there.
    """
    result = subprocess.run(list(command), env={**os.environ, **environment}, check=False)
    if result.returncode != 0:
        raise BuildError(
            f"{' '.join(command)} ended with status {result.returncode}; run again to continue from its last checkpoint"
        )


class PipesLauncher:
    """Runs a command as a Dagster Pipes session of the asset that asks for it."""

    def __init__(self, context: dg.AssetExecutionContext):
        self.context = context

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        import dagster as dg

        try:
            dg.PipesSubprocessClient().run(
                command=list(command), env={**os.environ, **environment}, context=self.context.op_execution_context
            )
        except Exception as error:
            if type(error).__name__ != "DagsterPipesExecutionError":
                raise
            raise BuildError(f"{' '.join(command)} failed; run again to continue from its last checkpoint") from error
