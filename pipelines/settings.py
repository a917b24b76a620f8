"""Which spec a process speaks of: said by variables, or the profile that the home remembers from its last run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.site import Site
from pipelines.spec import Loaded, load
from resources.store import write_whole

REMEMBERED = "last_profile.json"
DEFAULT_PROFILE = "demo"


@dataclass(frozen=True)
class Settings:
    """A profile by name or path, a file laid over it, and single assignments over both."""

    profile: str
    file: str | None
    set: tuple[str, ...]

    def load(self) -> Loaded:
        return load(self.profile, self.set, file=self.file)

    def remember(self, home: Path) -> None:
        """Let later verbs on this home, and its UI, speak of the same profile; single assignments are for once."""
        write_whole(home / REMEMBERED, json.dumps({"profile": self.profile, "file": self.file}).encode())

    def variables(self) -> dict[str, str]:
        """These settings as the variables from which `settings_of_process` reads them in another process."""
        said = {"TIDEMILL_PROFILE": self.profile, "TIDEMILL_SET": "\n".join(self.set)}
        return {**said, "TIDEMILL_FILE": self.file} if self.file else said


def settle(profile: str | None, file: str | None, assignments: Sequence[str], home: Path) -> Settings:
    """The settings that options mean: without a profile, those of the home's last run, then the demo's."""
    last = home / REMEMBERED
    if profile is None and last.exists():
        said = json.loads(last.read_text())
        return Settings(said["profile"], _absolute(file) or said["file"], tuple(assignments))
    name = profile or DEFAULT_PROFILE
    return Settings(
        str(_absolute(name)) if name.endswith((".yaml", ".yml")) else name, _absolute(file), tuple(assignments)
    )


def settings_of_process(environment: Mapping[str, str]) -> Loaded:
    """The spec of a process that Dagster starts, from `TIDEMILL_PROFILE`, `TIDEMILL_FILE`, `TIDEMILL_SET`."""
    assignments = [line for line in environment.get("TIDEMILL_SET", "").splitlines() if line]
    home = Site.resolve(environment=environment).home
    return settle(environment.get("TIDEMILL_PROFILE"), environment.get("TIDEMILL_FILE"), assignments, home).load()


def _absolute(path: str | None) -> str | None:
    return str(Path(path).resolve()) if path else None
