"""`tidemill verify`: hash every committed byte against its manifest."""

import argparse
import json

from pipelines.cli.options import add_home, site_of
from resources.artifact import Artifact
from resources.lake import Lake


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)


def run(options: argparse.Namespace) -> int:
    site = site_of(options)
    found = list(Lake(site.lake, site.home).verify())
    whole = [entry for entry in found if isinstance(entry, Artifact)]
    damaged = [entry for entry in found if not isinstance(entry, Artifact)]
    rows = [{"file": f"{d.artifact.stage}/{d.artifact.fingerprint}/{d.file}", "reason": d.reason} for d in damaged]
    for row in rows:
        print(f"{row['file']}: {row['reason']}; `tidemill run` sets it aside and rebuilds it")
    if options.json:
        print(json.dumps({"artifacts": len(whole), "damaged": rows}))
    elif not rows:
        print(f"{len(whole)} artifacts in {site.lake}, every byte as its manifest says")
    return 1 if rows else 0
