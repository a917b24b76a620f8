"""`tidemill run`: make what is missing."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence

from assets.stage import Lineage, Stage
from pipelines.cli.options import add_home, add_profile, site_of
from pipelines.cli.progress import ProgressDisplay
from pipelines.execute import Made
from pipelines.execute import run as execute
from pipelines.lineage import lineage_of
from pipelines.settings import DEFAULT_PROFILE, settle
from resources.errors import SpecError
from resources.journal import Journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument(
        "--select", metavar="ASSETS", help="names by comma; a + before one takes all it needs, after it all it feeds"
    )
    parser.add_argument(
        "--snapshot", metavar="DATE|next|all", default="all", help="which snapshots (default: all of the calendar)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes for document stages (default: one a core)")


def run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    site = site_of(options)
    settings = settle(options.profile or DEFAULT_PROFILE, options.file, options.set, site.home)
    spec = settings.load().spec
    settings.remember(site.home)
    lineage = lineage_of(spec)
    stages = select(lineage, options.select)
    snapshots = choose_snapshots(lineage, options.snapshot, site.workplace(lineage.model).journal)
    with ProgressDisplay() as display:
        made = execute(lineage, spec, site, stages, snapshots, display)
    answer = summary(made, Journal(site.workplace(lineage.model).lake.store, lineage.model), time.monotonic() - started)
    if options.json:
        print(json.dumps(answer))
    else:
        _tell(made, answer)
    return 0


def select(lineage: Lineage, selection: str | None) -> list[Stage]:
    """The stages that a selection names, in order.

    Raises:
        SpecError: if it names an asset that is not in the lineage.
    """
    if selection is None:
        return list(lineage.stages)
    chosen: set[str] = set()
    for word in selection.split(","):
        name = word.strip().strip("+")
        if name not in {stage.name for stage in lineage.stages}:
            raise SpecError(
                f"--select {name}: there is no such asset; there are {', '.join(s.name for s in lineage.stages)}"
            )
        chosen.add(name)
        if word.strip().startswith("+"):
            chosen |= _reached(lineage, name, upstream=True)
        if word.strip().endswith("+"):
            chosen |= _reached(lineage, name, upstream=False)
    return [stage for stage in lineage.stages if stage.name in chosen]


def _reached(lineage: Lineage, name: str, *, upstream: bool) -> set[str]:
    edges = [(parent, stage.name) for stage in lineage.stages for parent in stage.inputs if parent != stage.name]
    reached: set[str] = set()
    front = {name}
    while front:
        front = {(a if upstream else b) for a, b in edges if (b if upstream else a) in front} - reached
        reached |= front
    return reached


def choose_snapshots(lineage: Lineage, wanted: str, journal: Journal) -> Sequence[str]:
    """The snapshots that a word or a date names.

    Raises:
        SpecError: if the date is not in the calendar, or there is no next one.
    """
    if wanted == "all":
        return lineage.snapshots
    if wanted == "next":
        following = journal.read().next_snapshot(lineage.snapshots)
        if following is None:
            raise SpecError(
                f"--snapshot next: {lineage.snapshots[-1]} was the calendar's last; list another date, or open it"
            )
        return [following]
    if wanted not in lineage.snapshots:
        raise SpecError(f"--snapshot {wanted}: the calendar has {', '.join(lineage.snapshots) or 'no dates yet'}")
    return [wanted]


def summary(made: Made, journal: Journal, seconds: float) -> dict[str, object]:
    """What `--json` prints."""
    champion = journal.read().champion
    return {
        "artifacts": [
            {
                "stage": name,
                "partition": partition,
                "fingerprint": artifact.fingerprint,
                "digest": artifact.digest,
                "cached": (name, partition) in made.cached,
                "uri": artifact.uri,
            }
            for (name, partition), artifact in made.known.items()
        ],
        "champion": {"name": journal.model, "version": champion.version} if champion else None,
        "seconds": round(seconds, 2),
    }


def _tell(made: Made, answer: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("asset", "snapshot", "fingerprint", "", box=None, header_style="bold")
    for key, artifact in made.known.items():
        table.add_row(key[0], key[1], artifact.fingerprint[:12], "cached" if key in made.cached else "made")
    console = Console()
    console.print(table)
    champion = answer["champion"]
    told = (
        f"champion: {champion['name']} version {champion['version']}"
        if isinstance(champion, dict)
        else "no champion yet"
    )
    console.print(f"{told}; {answer['seconds']} s. Next: `tidemill report`, `tidemill ui`, `tidemill serve`.")
