"""Where and how this machine works: home, lake, workers. Never hashed; the same artifacts come out anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.build import Progress, silent
from resources.errors import SpecError
from resources.journal import Journal
from resources.lake import Lake
from resources.tracking import Tracking
from resources.workplace import Workplace

DEFAULT_HOME = ".tidemill"


@dataclass(frozen=True)
class Site:
    """`home` holds the databases and logs, `lake` (a folder or any fsspec URL) the artifacts."""

    home: Path
    lake: str
    workers: int

    @classmethod
    def resolve(
        cls, home: str | None = None, workers: int | None = None, environment: Mapping[str, str] = os.environ
    ) -> Site:
        """Settle what was not said: `TIDEMILL_HOME`, `TIDEMILL_LAKE`, `TIDEMILL_WORKERS`, then defaults.

        Raises:
            SpecError: if the number of workers is not one.
        """
        folder = Path(home or environment.get("TIDEMILL_HOME") or DEFAULT_HOME).resolve()
        said = environment.get("TIDEMILL_WORKERS")
        try:
            count = int(said or os.cpu_count() or 1) if workers is None else workers
        except ValueError as error:
            raise SpecError(f"TIDEMILL_WORKERS={said}: write a whole number of processes") from error
        if count < 1:
            raise SpecError(f"--workers {count}: at least 1 process has to do the work")
        return cls(folder, environment.get("TIDEMILL_LAKE") or str(folder / "lake"), count)

    def requests(self, model: str) -> Path:
        """The folder of a model's request log."""
        return self.home / "requests" / model

    def variables(self) -> dict[str, str]:
        """This site as the variables from which `resolve` reads it in another process."""
        return {"TIDEMILL_HOME": str(self.home), "TIDEMILL_LAKE": self.lake, "TIDEMILL_WORKERS": str(self.workers)}

    def workplace(self, model: str, report: Callable[[Progress], None] = silent) -> Workplace:
        """The lake, journal and tracker of this home, for one model's name."""
        lake = Lake(self.lake, self.home)
        return Workplace(lake, Journal(lake.store, model), Tracking(self.home, model), self.workers, report)
