"""``python -m llm_core.serve FOLDER``: serve one folder, without the rest of the project."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from llm_core.serve.app import create_app
from llm_core.serve.config import ServeConfig
from llm_core.serve.server import run_server
from llm_core.serve.source import FolderSource


def main() -> None:
    defaults = ServeConfig()
    parser = argparse.ArgumentParser(prog="python -m llm_core.serve", description="Serve a model over HTTP.")
    parser.add_argument("folder", type=Path, help="model.safetensors, config.json, tokenizer.json, chat_template.jinja")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--name", default="", help="the model's name (default: the folder's)")
    parser.add_argument("--slots", type=int, default=defaults.slots, help="completions at once (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="threads of the computation (default: torch's choice)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    source = FolderSource(arguments.folder, arguments.name)
    limits = ServeConfig(slots=arguments.slots, threads=arguments.threads)
    run_server(create_app(source, limits=limits), arguments.host, arguments.port)


if __name__ == "__main__":
    main()
