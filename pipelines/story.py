"""`make story`: serve, drift, retrain, promote and refuse, unattended, on a home of its own.

What happens by itself happens in the real daemon: its sensors judge the closed windows of the
request log, and answer drift with a run of `retrain`. This script only asks questions, and reads
in the lake and the journal what came of it. Traffic never stops; no request may fail.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.cli.traffic import SUBJECT
from pipelines.replay import Replayed, replay
from pipelines.services import Services, free_port
from pipelines.settings import Settings, settle
from pipelines.site import Site
from pipelines.traffic import Pools, pools
from resources.errors import TidemillError
from resources.journal import Entry, State

FIRST_WINDOWS = 2
FAST, STEADY = 8.0, 1.0
PATIENCE_S = 600.0
MODULE = ["-m", "pipelines.cli.main"]
# From the champion's weights at a rate that wrecks them: trained like any other, and worse.
RUINED = ("pretrain.train.learning_rate=2.0", "pretrain.train.embedding_learning_rate=2.0")
# A rate of zero leaves the champion's weights as they are: it is judged against itself.
UNCHANGED = ("pretrain.train.learning_rate=0", "pretrain.train.embedding_learning_rate=0")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How the story ended; `versions` in the order in which answers first came from them."""

    alarms_in_domain: int
    alarms_shifted: int
    versions: list[str]
    promoted: bool
    refused: bool
    failed_requests: int


class Story:
    """One telling: a home with its services, the traffic, and what the journal said."""

    def __init__(self, services: Services, site: Site, settings: Settings):
        self.services, self.site, self.settings = services, site, settings
        self.spec = settings.load().spec
        self.workplace = site.workplace(self.spec.model_name)
        self.replayed = Replayed()
        self.asked = 0
        self.url = ""

    def tell(self) -> Ending:
        """Tell it from the first snapshot to the last verdict.

        Raises:
            TidemillError: if something that should come does not.
        """
        first, second = self.spec.calendar.dates()[:2]
        log.info("making the snapshot of %s", first)
        self._await_exit(self._run("first", first), asking=None)
        before = self._champion()
        log.info("version %d is champion; starting the server and the daemon", before.version)
        self._serve()
        self.services.start_daemon()
        questions = pools(self.workplace.lake, self.spec.model_name, [SUBJECT], seed=0)

        log.info("asking in-domain questions for %d windows", FIRST_WINDOWS)
        self._ask(questions, shift=0, rate=FAST, count=FIRST_WINDOWS * self.spec.monitor.window_requests)
        self._ask_until(lambda: len(self._reports()) >= FIRST_WINDOWS, questions, shift=0, what="judged windows")
        in_domain = sum(self._reports().values())
        known = set(self._reports())
        log.info("%d windows without drift, %d alarms; asking about %s", len(known), in_domain, SUBJECT)

        self._ask(questions, shift=1, rate=FAST, count=2 * self.spec.monitor.window_requests)
        self._ask_until(lambda: self._alarms_beyond(known) > 0, questions, shift=1, what="an alarm")
        log.info("drift; waiting for the daemon to retrain on the snapshot of %s", second)
        self._ask_until(lambda: self._verdict(second) is not None, questions, shift=1, what="a verdict")
        verdict = self._verdict(second)
        assert verdict is not None
        shifted = self._alarms_beyond(known)
        log.info("%s: %s", verdict.kind, verdict.reason)
        is_promoted = verdict.kind == "promoted" and self._champion().version == verdict.version
        if is_promoted:
            self._await_version(verdict.version, questions)

        is_refused = is_promoted and self._refuses("ruined", second, RUINED, questions)
        if is_refused:
            log.info("rolling back to version %d, and judging it against itself", before.version)
            self.workplace.journal.roll_back("the story goes back to its first champion")
            self._await_version(before.version, questions)
            is_refused = self._refuses("unchanged", second, UNCHANGED, questions)
        return Ending(in_domain, shifted, self.replayed.versions, is_promoted, is_refused, self.replayed.failed)

    def _run(self, name: str, snapshot: str, assignments: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        said = self.settings
        options = ["--profile", said.profile, "--home", str(self.site.home), "--snapshot", snapshot]
        options += ["--file", said.file] if said.file else []
        options += [word for assignment in (*said.set, *assignments) for word in ("--set", assignment)]
        return self.services.start(f"run-{name}", [*MODULE, "run", *options])

    def _serve(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ["--home", str(self.site.home), "--port", str(port), "--poll", "1"]
        self.services.start("server", [*MODULE, "serve", *options])
        self.services.await_page("server", f"{self.url}/ready")

    def _refuses(self, name: str, snapshot: str, assignments: Sequence[str], questions: Pools) -> bool:
        """Train a challenger by another spec through the graph; whether it was judged, and the champion stayed."""
        champion, judged = self._champion(), len(self._verdicts())
        log.info("training a challenger with %s", ", ".join(assignments))
        self._await_exit(self._run(name, snapshot, assignments), asking=questions)
        new = self._verdicts()[judged:]
        for entry in new:
            log.info("%s: %s", entry.kind, entry.reason)
        return bool(new) and all(entry.kind == "kept" for entry in new) and self._champion() == champion

    def _await_exit(self, child: subprocess.Popen[bytes], asking: Pools | None) -> None:
        name = next(name for name, other in self.services.children.items() if other is child)
        if asking is None:
            child.wait(PATIENCE_S)
        else:
            self._ask_until(lambda: child.poll() is not None, asking, shift=0, what=f"the end of {name}")
        del self.services.children[name]
        if child.returncode != 0:
            path = self.services.logs / f"{name}.log"
            last = (path.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]
            raise TidemillError(f"{name} ended with status {child.returncode}: {last} (see {path})")

    def _await_version(self, version: int, questions: Pools) -> None:
        self._ask_until(
            lambda: self.replayed.latest == str(version), questions, shift=0, what=f"answers from version {version}"
        )
        log.info("the server answers from version %d", version)

    def _ask(self, questions: Pools, shift: float, rate: float, count: int) -> None:
        self._replay(questions.draw(count, shift, self.asked), rate)

    def _ask_until(self, is_over: Callable[[], bool], questions: Pools, shift: float, what: str) -> None:
        """Ask steadily until something has come about.

        Raises:
            TidemillError: if it does not in `PATIENCE_S`, or a service ends meanwhile.
        """
        deadline = time.monotonic() + PATIENCE_S

        def asked() -> Iterator[str]:
            while not is_over():
                if time.monotonic() > deadline:
                    raise TidemillError(f"waited {PATIENCE_S:.0f} s for {what} in vain; see {self.services.logs}")
                self._check_services()
                yield from questions.draw(1, shift, self.asked)

        self._replay(asked(), STEADY)

    def _replay(self, asked: Iterator[str], rate: float) -> None:
        def counted() -> Iterator[str]:
            for question in asked:
                self.asked += 1
                yield question

        replay(self.url, counted(), rate, seed=self.asked, into=self.replayed)

    def _check_services(self) -> None:
        for name in ("server", "dagster-daemon"):
            if self.services.children[name].poll() is not None:
                raise TidemillError(f"{name} ended on its own; see {self.services.logs / name}.log")

    def _reports(self) -> dict[str, bool]:
        """Whether each judged window raised an alarm, by the window's name."""
        return {str(a.partition): bool(a.stats["alarm"]) for a in self.workplace.lake.artifacts("drift_report")}

    def _alarms_beyond(self, known: set[str]) -> int:
        return sum(alarm for window, alarm in self._reports().items() if window not in known)

    def _champion(self) -> Entry:
        champion = self._state().champion
        if champion is None:
            raise TidemillError("the first snapshot's model did not become champion; see `tidemill report`")
        return champion

    def _verdict(self, snapshot: str) -> Entry | None:
        return next((entry for entry in self._verdicts() if entry.partition == snapshot), None)

    def _verdicts(self) -> list[Entry]:
        return [entry for entry in self._state().entries if entry.verdict]

    def _state(self) -> State:
        return self.workplace.journal.read()


def tell(home: Path, settings: Settings) -> Ending:
    """Tell the story on a home; every process that it starts ends with it."""
    site = Site.resolve(str(home))
    settings.remember(home)
    with Services(site, settings) as services:
        return Story(services, site, settings).tell()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.story", description=__doc__)
    parser.add_argument("--home", metavar="DIR", help="an empty folder that stays (default: a temporary one)")
    parser.add_argument("--profile", default="smoke", help="a profile with two snapshots or more (default: smoke)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    try:
        with tempfile.TemporaryDirectory(prefix="tidemill-story-", ignore_cleanup_errors=True) as folder:
            home = Path(options.home or folder).resolve()
            ending = tell(home, settle(options.profile, None, (), home))
    except (TidemillError, subprocess.TimeoutExpired) as error:
        log.error("the story broke off: %s", error)
        return 2
    sys.stdout.write(json.dumps(asdict(ending)) + "\n")
    is_well = ending.promoted and ending.refused and ending.alarms_shifted > 0
    return 0 if is_well and not ending.alarms_in_domain and not ending.failed_requests else 1


if __name__ == "__main__":
    sys.exit(main())
