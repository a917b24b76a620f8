"""`tidemill serve`: the champion over an OpenAI-compatible API; the server follows each promotion."""

import argparse
import dataclasses
import json
import logging
import socket
import sys

from assets.config import field_descriptions
from llm_core.serve.config import ServeConfig
from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from resources.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one (default 8000)")
    parser.add_argument("--model", metavar="model:NAME@WHICH", help="serve this instead of the profile's champion")
    described = field_descriptions(ServeConfig)
    for field in dataclasses.fields(ServeConfig):
        flags = [f"--{field.name.replace('_', '-')}", *(["--poll"] if field.name == "poll_interval_s" else [])]
        text = f"{described[field.name]} (default {field.default})"
        parser.add_argument(*flags, type=type(field.default), default=field.default, metavar="VALUE", help=text)


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    limits = ServeConfig(**{field.name: getattr(options, field.name) for field in dataclasses.fields(ServeConfig)})
    site = site_of(options)
    spec = spec_of(options, site)
    from llm_core.serve.app import create_app, run_server
    from llm_core.serve.models import ModelVersion
    from resources.registry import find_model

    workplace = site.workplace(spec.model_name)
    reference = options.model or f"model:{spec.model_name}@champion"

    def current() -> ModelVersion:
        """What the reference names now."""
        model = find_model(workplace.lake, reference)
        return ModelVersion(model.name, str(model.version), model.checkpoint.path, model.checkpoint.fingerprint)

    current()  # there is nothing to serve: say so before a port is taken
    from assets.monitor.request_log import FileRequestLog

    log = FileRequestLog(spec.monitor, site.requests(spec.model_name))
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise InputError(
            f"{options.host}:{options.port}: {error.strerror}; name another --port, or 0 for any"
        ) from error
    if options.json:
        print(json.dumps({"host": options.host, "port": listener.getsockname()[1]}), flush=True)
    run_server(create_app(current, limits=limits, log=log), listener)
    return 0
