"""`tidemill ui`: Dagster (webserver and daemon) and MLflow on loopback, ended together."""

import argparse
import logging
import sys

from pipelines.cli.options import add_home, add_profile, settings_of, site_of
from pipelines.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument(
        "--dagster-port", type=int, default=3000, help="port of Dagster's pages; 0 takes a free one (default 3000)"
    )
    parser.add_argument(
        "--mlflow-port", type=int, default=5000, help="port of MLflow's pages; 0 takes a free one (default 5000)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes for document stages (default: one a core)")


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    site = site_of(options)
    with Services(site, settings_of(options, site)) as services:
        dagster = services.start_dagster(options.dagster_port)
        mlflow = services.start_mlflow(options.mlflow_port)
        print(f"Dagster  {dagster}\nMLflow   {mlflow}\nCtrl-C ends both.", flush=True)
        return services.wait()
