"""`tidemill report`: the home's story as one self-contained HTML page."""

import argparse
import json
from pathlib import Path

from pipelines.cli.options import add_home, add_profile, home_of, spec_of
from resources.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--output", metavar="FILE", help="where to write the page (default: report.html in the home)")


def run(options: argparse.Namespace) -> int:
    site = home_of(options)
    spec = spec_of(options, site)
    from pipelines.lineage import lineage_of
    from pipelines.report.page import render
    from pipelines.report.story import gather

    lineage = lineage_of(spec)
    workplace = site.workplace(lineage.model)
    known = lineage.look_up(lineage.stages, lineage.snapshots, workplace.lake, workplace.journal).known
    database = workplace.tracking.database
    page = render(gather(lineage.profile, lineage.model, known, workplace.lake, workplace.journal.read(), database))
    target = Path(options.output or site.home / "report.html").resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A model may write what is no text (a lone surrogate); it is shown as a question mark.
        target.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error}); name another file with --output") from error
    print(json.dumps({"report": str(target), "bytes": target.stat().st_size}) if options.json else target)
    return 0
