"""`tidemill ui`: Dagster (webserver and daemon) and MLflow on loopback, ended together."""

import argparse
import json
import logging
import sys

from pipelines.cli.options import add_home, add_profile, settings_of, site_of
from pipelines.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    for name, port in (("Dagster", 3000), ("MLflow", 5000)):
        about = f"port of {name}'s pages; 0 takes a free one (default {port})"
        parser.add_argument(f"--{name.lower()}-port", type=int, default=port, help=about)
    parser.add_argument("--workers", type=int, metavar="N", help="processes for document stages (default: one a core)")


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    site = site_of(options)
    with Services(site, settings_of(options, site)) as services:
        dagster = services.start_dagster(options.dagster_port)
        mlflow = services.start_mlflow(options.mlflow_port)
        told = f"Dagster  {dagster}\nMLflow   {mlflow}\nCtrl-C ends both."
        print(json.dumps({"dagster": dagster, "mlflow": mlflow}) if options.json else told, flush=True)
        return services.wait()
