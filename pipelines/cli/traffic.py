"""`tidemill traffic`: replay questions against a server, in-domain or shifted."""

import argparse
import json

from pipelines.cli.options import add_home, add_profile, site_of, spec_of
from pipelines.cli.progress import ProgressDisplay
from resources.build import Progress
from resources.errors import SpecError

SUBJECT = "scipy:scipy.signal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_profile(parser)
    add_home(parser)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server (default: http://127.0.0.1:8000)")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="how many questions (default 200)")
    parser.add_argument("--rate", type=float, default=5.0, metavar="R", help="questions a second (default 5)")
    parser.add_argument(
        "--shift", type=float, default=0.0, metavar="SHARE", help="share of questions about another subject (default 0)"
    )
    parser.add_argument(
        "--subject",
        action="append",
        metavar="PACKAGE",
        help=f"installed package that shifted questions are about; repeatable (default {SUBJECT})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of which questions are asked (default 0)")
    parser.add_argument("--max-tokens", type=int, default=16, metavar="N", help="longest answer in tokens (default 16)")


def run(options: argparse.Namespace) -> int:
    if not 0 <= options.shift <= 1:
        raise SpecError(f"--shift {options.shift}: give a share from 0 to 1")
    if options.rate <= 0 or options.count < 1:
        raise SpecError(f"--rate {options.rate} --count {options.count}: both must be above 0")
    site = site_of(options)
    model = spec_of(options, site).model_name
    from pipelines.traffic import Replayed, pools, replay

    asked = pools(site.workplace(model).lake, model, options.subject or [SUBJECT], options.seed)
    with ProgressDisplay() as display:

        def report(replayed: Replayed) -> None:
            display(Progress("traffic", replayed.answered + replayed.failed, options.count, "requests"))

        replayed = replay(
            options.url,
            asked.draw(options.count, options.shift, options.seed),
            options.rate,
            seed=options.seed,
            max_tokens=options.max_tokens,
            report=report,
        )
    answer = {
        "answered": replayed.answered,
        "failed": replayed.failed,
        "failures": dict(replayed.failures),
        "versions": replayed.versions,
        "latency_s": {"p50": replayed.latency_s(0.5), "p95": replayed.latency_s(0.95)},
    }
    if options.json:
        print(json.dumps(answer))
    else:
        latencies = f"p50 {replayed.latency_s(0.5) or 0:.3f} s, p95 {replayed.latency_s(0.95) or 0:.3f} s"
        print(f"{replayed.answered} answered, {replayed.failed} failed; {latencies} to an answer")
        for reason, times in replayed.failures.most_common():
            print(f"  {times} x {reason}")
    return 1 if replayed.failed else 0
