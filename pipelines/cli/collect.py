"""`tidemill collect`: remove artifacts that nothing needs any more; a dry run unless told otherwise."""

import argparse
import json
from typing import Any

from pipelines.cli.options import add_home, home_of
from resources.collection import pin, plan_collection, remove_artifacts, unpin
from resources.errors import LakeError, SpecError
from resources.journal import journals
from resources.lake import Lake


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    last = "artifacts to keep of each stage and snapshot (default 2)"
    parser.add_argument("--keep-last", type=int, default=2, metavar="N", help=last)
    parser.add_argument("--remove", action="store_true", help="remove them; without it, only say what would go")
    parser.add_argument("--pin", metavar="FINGERPRINT", help="keep this artifact and what it was made from")
    parser.add_argument("--unpin", metavar="FINGERPRINT", help="let a pinned artifact go")


def run(options: argparse.Namespace) -> int:
    if options.keep_last < 0:
        raise SpecError(f"--keep-last {options.keep_last}: a number from 0 on")
    site = home_of(options)
    lake = Lake(site.lake, site.home)
    if options.pin:
        if lake.get(options.pin) is None:
            raise LakeError(f"--pin {options.pin}: there is no such artifact; `tidemill run --json` lists fingerprints")
        pin(lake, options.pin)
    if options.unpin:
        unpin(lake, options.unpin)
    states = [journal.read() for journal in journals(lake.store)]
    needless, kept = plan_collection(lake, states, keep_last=options.keep_last)
    rows: list[dict[str, Any]] = [
        {"stage": a.stage, "partition": a.partition, "fingerprint": a.fingerprint, "size_bytes": lake.size_bytes(a)}
        for a in needless
    ]
    if options.remove:
        remove_artifacts(lake, needless)
    if options.json:
        print(json.dumps({"removed" if options.remove else "would_remove": rows, "kept": len(kept)}))
        return 0
    for row in rows:
        print(f"{row['stage']} {row['partition']} {row['fingerprint']}: {row['size_bytes']:,} bytes")
    size_bytes = sum(row["size_bytes"] for row in rows)
    verb = "removed" if options.remove else "would go (--remove does it)"
    print(f"{len(rows)} artifacts, {size_bytes:,} bytes {verb}; {len(kept)} stay")
    return 0
