"""`tidemill export`: write a registered model as a folder that other tools load."""

import argparse
import json
from pathlib import Path

from pipelines.cli.options import add_home, home_of
from resources.errors import InputError
from resources.lake import Lake
from resources.registry import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    parser.add_argument("model", help="model:NAME@champion, model:NAME@challenger or model:NAME@VERSION")
    parser.add_argument("folder", type=Path, help="folder to write; it must not hold anything yet")
    parser.add_argument("--format", choices=["hf"], default="hf", help="hf: as transformers' Auto classes load it")


def run(options: argparse.Namespace) -> int:
    site = home_of(options)
    model = find_model(Lake(site.lake, site.home), options.model)
    if options.folder.is_file() or (options.folder.exists() and any(options.folder.iterdir())):
        raise InputError(f"{options.folder} is a file, or a folder that is not empty; name a new folder")
    from llm_core.interop.huggingface import export_huggingface
    from llm_core.model.checkpoint import load_model

    folder = model.checkpoint.path
    export_huggingface(
        load_model(folder),
        options.folder,
        tokenizer_file=folder / "tokenizer.json",
        chat_template=(folder / "chat_template.jinja").read_text(encoding="utf-8"),
    )
    answer = {"model": model.name, "version": model.version, "fingerprint": model.checkpoint.fingerprint}
    answer["folder"] = str(options.folder)
    print(json.dumps(answer) if options.json else f"{model.name} version {model.version} is in {options.folder}")
    return 0
