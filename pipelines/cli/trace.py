"""`tidemill trace`: follow a page, document, step, request or model."""

import argparse
import json
from pathlib import Path
from typing import Any

from assets.stage import Plan
from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from pipelines.lineage import lineage_of
from pipelines.trace import describe, trace_model, trace_page, trace_step
from resources.errors import InputError
from resources.registry import find_model
from resources.workplace import Workplace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("target", help="a URL, a document id, step:N, request:ID, or model:NAME@ALIAS")


def run(options: argparse.Namespace) -> int:
    site = site_of(options)
    spec = spec_of(options, site)
    lineage = lineage_of(spec)
    workplace = site.workplace(lineage.model)
    plan = lineage.look_up(lineage.stages, lineage.snapshots, workplace.lake, workplace.journal)
    found = _trace(options.target, plan, workplace, lineage.model, site.requests(lineage.model))
    print(json.dumps(found) if options.json else "\n".join(describe(found)))
    return 0


def _trace(target: str, plan: Plan, workplace: Workplace, model: str, requests: Path) -> dict[str, Any]:
    lake = workplace.lake
    kind, _, rest = target.partition(":")
    if kind == "model":
        return trace_model(lake, find_model(lake, target).checkpoint)
    if kind == "step":
        if not rest.isdigit():
            raise InputError(f"{target}: write step:N with a whole number")
        return trace_step(lake, find_model(lake, f"model:{model}@champion").checkpoint, int(rest), plan.known)
    if kind == "request":
        from assets.monitor.request_log import find_request

        request = find_request(requests, rest)
        checkpoint = lake.get(request.fingerprint)
        if checkpoint is None:
            raise InputError(f"{target}: it was answered by {request.fingerprint}, which is not in the lake any more")
        return {**trace_model(lake, checkpoint), "request": rest, "version": request.model_version}
    return trace_page(plan.known, lake, target)
