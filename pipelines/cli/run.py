"""`tidemill run`: make what is missing."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from assets.stage import Lineage, Stage
from pipelines.cli.options import add_home, add_profile, settings_of, site_of
from pipelines.cli.progress import ProgressDisplay
from pipelines.execute import Made
from pipelines.execute import run as execute
from pipelines.lineage import lineage_of
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
    settings = settings_of(options, site)
    spec = settings.load().spec
    lineage = lineage_of(spec)
    stages = select(lineage, options.select)
    journal = site.workplace(lineage.model).journal
    snapshots = choose_snapshots(lineage, options.snapshot, journal)
    settings.remember(site.home)
    with ProgressDisplay() as display:
        made = execute(lineage, spec, site, stages, snapshots, display)
    answer = summary(made, journal, time.monotonic() - started)
    if options.json:
        print(json.dumps(answer))
    else:
        _tell(answer)
    return 0


def select(lineage: Lineage, selection: str | None) -> list[Stage]:
    """The stages that a selection names, in order.

    Raises:
        SpecError: if it names an asset that is not in the lineage.
    """
    if selection is None:
        return list(lineage.stages)
    chosen: set[str] = set()
    for word in map(str.strip, selection.split(",")):
        name = word.strip("+")
        if name not in {stage.name for stage in lineage.stages}:
            known = ", ".join(stage.name for stage in lineage.stages)
            raise SpecError(f"--select {name}: there is no such asset; there are {known}")
        needed, fed = {name}, {name}
        if word.startswith("+"):
            for stage in reversed(lineage.stages):
                needed.update(stage.inputs if stage.name in needed else ())
        if word.endswith("+"):
            for stage in lineage.stages:
                fed.update({stage.name} if fed & set(stage.inputs) else ())
        chosen |= needed | fed
    return [stage for stage in lineage.stages if stage.name in chosen]


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
                f"--snapshot next: none comes after {', '.join(lineage.snapshots[-1:]) or 'today'}; list another date"
            )
        return [following]
    if wanted not in lineage.snapshots:
        raise SpecError(f"--snapshot {wanted}: the calendar has {', '.join(lineage.snapshots) or 'no dates yet'}")
    return [wanted]


def summary(made: Made, journal: Journal, seconds: float) -> dict[str, Any]:
    """What `--json` prints."""
    champion = journal.read().champion
    artifacts = [
        {
            "stage": name,
            "partition": partition,
            "fingerprint": artifact.fingerprint,
            "digest": artifact.digest,
            "cached": (name, partition) in made.cached,
            "uri": artifact.uri,
        }
        for (name, partition), artifact in made.known.items()
    ]
    named = {"name": journal.model, "version": champion.version} if champion else None
    return {"artifacts": artifacts, "champion": named, "seconds": round(seconds, 2)}


def _tell(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("asset", "snapshot", "fingerprint", "", box=None, header_style="bold")
    for row in answer["artifacts"]:
        table.add_row(row["stage"], row["partition"], row["fingerprint"][:12], "cached" if row["cached"] else "made")
    console = Console()
    console.print(table)
    champion = answer["champion"]
    told = f"champion: {champion['name']} version {champion['version']}" if champion else "no champion yet"
    console.print(f"{told}; {answer['seconds']} s. Next: `tidemill report`, `tidemill ui`, `tidemill serve`.")
