"""`tidemill bench`: measure a part beside its peer in one run; a module of `tests/bench` says what and how."""

import argparse
import json
import platform
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from resources.errors import SpecError

FOLDER = Path(__file__).parents[2] / "tests" / "bench"
OURS = "tidemill"


@dataclass(frozen=True)
class Row:
    """One figure; our own rows have the system "tidemill"."""

    system: str
    metric: str
    value: float
    unit: str


@dataclass(frozen=True)
class Measured:
    """All figures of a benchmark; `ratios` say how many times better we are, by peer."""

    rows: tuple[Row, ...]
    ratios: Mapping[str, float] = field(default_factory=dict)


def benchmarks() -> list[str]:
    """The names of all benchmarks: the modules in `tests/bench`."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def find_benchmark(name: str) -> Callable[[], Measured]:
    """The `measure` of a benchmark's module.

    Raises:
        SpecError: if there is none of this name.
    """
    if name not in benchmarks():
        raise SpecError(
            f"there is no benchmark {name!r}; there are {', '.join(benchmarks())} (in a checkout's tests/bench)"
        )
    sys.path.insert(0, str(FOLDER.parents[1]))  # it imports what the tests share
    measure: Callable[[], Measured] = runpy.run_path(str(FOLDER / f"{name}.py"))["measure"]
    return measure


def lines(name: str, measured: Measured) -> Iterator[str]:
    """A table for people, then one line of JSON."""
    width = max(len(row.system) for row in measured.rows)
    for row in measured.rows:
        yield f"{row.system:<{width}}  {row.metric:<28} {row.value:>14,.4g} {row.unit}"
    for peer, ratio in measured.ratios.items():
        yield f"{ratio:.2f} x {peer}"
    rows = [asdict(row) for row in measured.rows]
    machine = f"{platform.machine()}, {platform.processor() or platform.system()}"
    yield json.dumps({"bench": name, "machine": machine, "rows": rows, "ratios": dict(measured.ratios)})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(benchmarks()) or 'those in a checkout'}")


def run(options: argparse.Namespace) -> int:
    if options.name is None:
        print("\n".join(benchmarks()))
        return 0
    for line in lines(options.name, find_benchmark(options.name)()):
        print(line)
    return 0
