"""`tidemill rollback`: return to the champion before the present one, on record."""

import argparse
import json

from pipelines.cli.options import add_home, add_profile, home_of, spec_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--reason", default="asked for by hand", help="why; kept in the journal")


def run(options: argparse.Namespace) -> int:
    site = home_of(options)
    workplace = site.workplace(spec_of(options, site).model_name)
    entry = workplace.journal.roll_back(options.reason)
    workplace.tracking.follow(workplace.journal, workplace.lake)
    champion = {"name": workplace.journal.model, "version": entry.version}
    if options.json:
        print(json.dumps({"champion": champion, "reason": entry.reason}))
    else:
        print(f"champion is version {entry.version} of {champion['name']} again; servers follow within seconds")
    return 0
