"""`tidemill bench`: measure a part beside its peer, in one run."""

import argparse

from pipelines.benchmark import benchmarks, find_benchmark, lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(benchmarks()) or 'those in a checkout'}")


def run(options: argparse.Namespace) -> int:
    if options.name is None:
        print("\n".join(benchmarks()))
        return 0
    for line in lines(options.name, find_benchmark(options.name).measure()):
        print(line)
    return 0
