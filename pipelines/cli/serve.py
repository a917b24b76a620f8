"""`tidemill serve`: the champion over an OpenAI-compatible API; the server follows each promotion."""

import argparse
import dataclasses
import logging
import sys

from pipelines.cli.options import add_home, add_profile, site_of, spec_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one (default 8000)")
    parser.add_argument("--model", metavar="model:NAME@WHICH", help="serve this instead of the profile's champion")
    parser.add_argument(
        "--poll", type=float, default=2.0, metavar="SECONDS", help="how often to look for a new champion"
    )


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    site = site_of(options)
    spec = spec_of(options, site)
    from llm_core.serve.app import create_app, run_server
    from llm_core.serve.config import ServeConfig
    from pipelines.model_source import RegistrySource

    workplace = site.workplace(spec.model_name)
    source = RegistrySource(workplace.lake, options.model or f"model:{spec.model_name}@champion")
    source.current()  # there is nothing to serve: say so before a port is taken
    from assets.monitor.request_log import FileRequestLog

    log = FileRequestLog(spec.monitor, site.requests(spec.model_name))
    limits = dataclasses.replace(ServeConfig(), poll_interval_s=options.poll)
    run_server(create_app(source.current, limits=limits, log=log), options.host, options.port)
    return 0
