"""`tidemill report`: the home's story as one self-contained HTML page."""

import argparse
import json
import os
import uuid
from pathlib import Path

from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from pipelines.lineage import lineage_of
from pipelines.report.gather import gather
from pipelines.report.page import render
from resources.errors import InputError

DEFAULT_NAME = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--output", metavar="FILE", help="where to write the page (default: report.html in the home)")


def run(options: argparse.Namespace) -> int:
    site = site_of(options)
    lineage = lineage_of(spec_of(options, site))
    workplace = site.workplace(lineage.model)
    known = {}
    if lineage.snapshots:
        known = dict(lineage.look_up(lineage.stages, lineage.snapshots, workplace.lake, workplace.journal).known)
    database = workplace.tracking.database
    story = gather(lineage.profile, lineage.model, known, workplace.lake, workplace.journal.read(), database)
    target = Path(options.output or site.home / DEFAULT_NAME).resolve()
    _write(target, render(story))
    print(json.dumps({"report": str(target), "bytes": target.stat().st_size}) if options.json else target)
    return 0


def _write(target: Path, page: str) -> None:
    """Put the page in place whole, so that an open browser never reloads half of it."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A model may write what is no text (a lone surrogate); it is shown as a question mark.
        partial.write_bytes(page.encode("utf-8", errors="replace"))
        os.replace(partial, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error}); name another file with --output") from error
    finally:
        if partial.exists():
            partial.unlink()
