"""`tidemill spec`: the effective spec, each value with where it came from."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from assets.config import field_descriptions
from pipelines.cli.options import add_home, add_profile, settings_of, site_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--describe", action="store_true", help="say what each field means")


def run(options: argparse.Namespace) -> int:
    loaded = settings_of(options, site_of(options)).load()
    if options.json:
        origins = {
            ".".join(path): loaded.settings.source(path) for path, _ in _leaves(loaded.spec.model_dump(mode="json"), ())
        }
        print(json.dumps({"spec": loaded.spec.model_dump(mode="json"), "origins": origins}))
        return 0
    for path, value in _leaves(loaded.spec.model_dump(mode="json"), ()):
        line = f"{'.'.join(path)}: {json.dumps(value, ensure_ascii=False)}"
        print(f"{line:<60}  # {loaded.settings.source(path)}")
        if options.describe:
            print(f"    {_description(loaded.spec, path)}")
    return 0


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    else:
        yield path, value


def _description(settings: Any, path: tuple[str, ...]) -> str:
    for name in path[:-1]:
        inner = getattr(settings, name, None)
        if inner is None or isinstance(inner, Mapping | list | tuple):
            return field_descriptions(type(settings)).get(name, "")
        settings = inner
    return field_descriptions(type(settings)).get(path[-1], "")
