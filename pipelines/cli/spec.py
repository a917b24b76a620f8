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
    loaded.spec.calendar.partitions()  # dates that the cron line has not are refused here, before anything is made
    values = loaded.spec.model_dump(mode="json")
    leaves = {path: (value, loaded.settings.source(path)) for path, value in _leaves(values, ())}
    if options.json:
        origins = {".".join(path): source for path, (_, source) in leaves.items()}
        print(json.dumps({"spec": values, "origins": origins}))
        return 0
    for path, (value, source) in leaves.items():
        line = f"{'.'.join(path)}: {json.dumps(value, ensure_ascii=False)}"
        print(f"{line:<60}  # {source}")
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
    """What a value means; inside a map or list, what that means."""
    name, *deeper = path
    inner = getattr(settings, name)
    if deeper and inner is not None and not isinstance(inner, Mapping | list | tuple):
        return _description(inner, tuple(deeper))
    return field_descriptions(type(settings)).get(name, "")
