"""`tidemill verify`: hash every committed byte against its manifest."""

import argparse
import json

from pipelines.cli.options import add_home, home_of
from pipelines.cli.progress import ProgressDisplay
from resources.artifact import Artifact
from resources.build import Progress
from resources.lake import Lake


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)


def run(options: argparse.Namespace) -> int:
    site = home_of(options)
    whole, damaged = 0, []
    with ProgressDisplay() as display:
        for found in Lake(site.lake, site.home).verify():
            if isinstance(found, Artifact):
                whole += 1
                display(Progress("verify", whole, None, "artifacts"))
            else:
                damaged.append(found)
    rows = [{"file": f"{d.artifact.stage}/{d.artifact.fingerprint}/{d.file}", "reason": d.reason} for d in damaged]
    for row in rows:
        print(f"{row['file']}: {row['reason']}; `tidemill run` sets it aside and rebuilds it")
    if options.json:
        print(json.dumps({"artifacts": whole, "damaged": rows}))
    elif not rows:
        print(f"{whole} artifacts in {site.lake}, every byte as its manifest says")
    return 1 if rows else 0
