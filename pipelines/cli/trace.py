"""`tidemill trace`: follow a page, document, step, request or model."""

import argparse
import json
from typing import Any

from pipelines.cli.options import add_home, add_profile, home_of, spec_of
from pipelines.lineage import lineage_of
from pipelines.trace import describe, trace_model, trace_page, trace_step
from resources.errors import InputError
from resources.registry import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("target", help="a URL, a document id, step:N, request:ID, or model:NAME@ALIAS")


def run(options: argparse.Namespace) -> int:
    found = _trace(options)
    print(json.dumps(found) if options.json else "\n".join(describe(found)))
    return 0


def _trace(options: argparse.Namespace) -> dict[str, Any]:
    site, target = home_of(options), options.target
    lineage = lineage_of(spec_of(options, site))
    workplace = site.workplace(lineage.model)
    lake = workplace.lake
    kind, _, rest = target.partition(":")
    if kind == "model":
        return trace_model(lake, find_model(lake, target).checkpoint)
    if kind == "request":
        from assets.monitor.request_log import find_request

        request = find_request(site.requests(lineage.model), rest)
        checkpoint = lake.get(request.fingerprint)
        if checkpoint is None:
            raise InputError(f"{target}: it was answered by {request.fingerprint}, which is not in the lake any more")
        return {**trace_model(lake, checkpoint), "request": rest, "version": request.model_version}
    known = lineage.look_up(lineage.stages, lineage.snapshots, lake, workplace.journal).known
    if kind == "step":
        if not rest.isdigit():
            raise InputError(f"{target}: write step:N with a whole number")
        return trace_step(lake, find_model(lake, f"model:{lineage.model}@champion").checkpoint, int(rest), known)
    return trace_page(known, lake, target)
