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
from pathlib import Path
from typing import Any

from pipelines.cli.traffic import SUBJECT
from pipelines.drift import drift_reports
from pipelines.services import Services, free_port
from pipelines.settings import Settings, settle
from pipelines.site import Site
from pipelines.traffic import Replayed, pools, replay
from resources.errors import TidemillError
from resources.journal import Entry

FIRST_WINDOWS = 2
FAST, STEADY = 8.0, 1.0
PATIENCE_S = 600.0
MODULE = ["-m", "pipelines.cli.main"]
# From the champion's weights at a rate that wrecks them: trained like any other, and worse.
RUINED = ("pretrain.train.learning_rate=2.0", "pretrain.train.embedding_learning_rate=2.0")
# A rate of zero leaves the champion's weights as they are: it is judged against itself.
UNCHANGED = ("pretrain.train.learning_rate=0", "pretrain.train.embedding_learning_rate=0")
log = logging.getLogger(__name__)


class Story:
    """One telling: a home with its services, the traffic (a share `shift` of it shifted), and what came of it."""

    def __init__(self, services: Services, site: Site, settings: Settings):
        self.services, self.site, self.settings = services, site, settings
        self.spec = settings.load().spec
        self.workplace = site.workplace(self.spec.model_name)
        self.replayed = Replayed()
        self.shift = 0.0
        self.asked = 0

    def tell(self) -> dict[str, Any]:
        """Tell it from the first snapshot to the last verdict; `versions` in the order in which answers came from them.

        Raises:
            TidemillError: if something that should come does not.
        """
        first, second = self.spec.calendar.dates()[:2]
        log.info("making the snapshot of %s", first)
        run = self._run("first", first)
        run.wait(PATIENCE_S)
        self._check_ended("first", run)
        before = self._champion()
        log.info("version %d is champion; starting the server and the daemon", before.version)
        self._serve()
        self.services.start_daemon()
        self.questions = pools(self.workplace.lake, self.spec.model_name, [SUBJECT], seed=0)

        log.info("asking in-domain questions for %d windows", FIRST_WINDOWS)
        self._ask(FIRST_WINDOWS * self.spec.monitor.window_requests)
        self._ask_until(lambda: len(self._alarms()) >= FIRST_WINDOWS, "judged windows")
        in_domain = self._alarms()
        log.info("%d windows without drift; asking about %s", len(in_domain) - sum(in_domain.values()), SUBJECT)

        def alarms_shifted() -> int:
            return sum(alarm for window, alarm in self._alarms().items() if window not in in_domain)

        self.shift = 1.0
        self._ask(2 * self.spec.monitor.window_requests)
        self._ask_until(lambda: alarms_shifted() > 0, "an alarm")
        log.info("drift; waiting for the daemon to retrain on the snapshot of %s", second)
        self._ask_until(lambda: self._verdicts()[-1].partition == second, "a verdict")
        verdict, shifted = self._verdicts()[-1], alarms_shifted()
        log.info("%s: %s", verdict.kind, verdict.reason)
        is_promoted = verdict.kind == "promoted" and self._champion().version == verdict.version
        self.shift = 0.0
        if is_promoted:
            self._await_version(verdict.version)

        is_refused = is_promoted and self._refuses("ruined", second, RUINED)
        if is_refused:
            log.info("rolling back to version %d, and judging it against itself", before.version)
            self.workplace.journal.roll_back("the story goes back to its first champion")
            self._await_version(before.version)
            is_refused = self._refuses("unchanged", second, UNCHANGED)
        return {
            "alarms_in_domain": sum(in_domain.values()),
            "alarms_shifted": shifted,
            "versions": self.replayed.versions,
            "promoted": is_promoted,
            "refused": is_refused,
            "failed_requests": self.replayed.failed,
        }

    def _run(self, name: str, snapshot: str, assignments: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        said = self.settings
        options = ["--profile", said.profile, "--home", str(self.site.home), "--snapshot", snapshot]
        options += ["--file", said.file] if said.file else []
        options += [word for assignment in (*said.set, *assignments) for word in ("--set", assignment)]
        return self.services.start(name, [*MODULE, "run", *options])

    def _check_ended(self, name: str, run: subprocess.Popen[bytes]) -> None:
        if run.returncode != 0:
            path = self.services.logs / f"{name}.log"
            last = (path.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]
            raise TidemillError(f"the run {name} ended with status {run.returncode}: {last} (see {path})")

    def _serve(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ["--home", str(self.site.home), "--port", str(port), "--poll", "1"]
        self.services.start("server", [*MODULE, "serve", *options])
        self.services.await_page("server", f"{self.url}/ready")

    def _refuses(self, name: str, snapshot: str, assignments: Sequence[str]) -> bool:
        """Train a challenger by another spec through the graph; whether it was judged, and the champion stayed."""
        champion, judged = self._champion(), len(self._verdicts())
        log.info("training a challenger with %s", ", ".join(assignments))
        run = self._run(name, snapshot, assignments)
        self._ask_until(lambda: run.poll() is not None, f"the end of the run {name}")
        self._check_ended(name, run)
        new = self._verdicts()[judged:]
        for entry in new:
            log.info("%s: %s", entry.kind, entry.reason)
        return bool(new) and all(entry.kind == "kept" for entry in new) and self._champion() == champion

    def _await_version(self, version: int) -> None:
        self._ask_until(lambda: self.replayed.latest == str(version), f"answers from version {version}")
        log.info("the server answers from version %d", version)

    def _ask(self, count: int) -> None:
        self._replay(self.questions.draw(count, self.shift, self.asked), FAST)

    def _ask_until(self, is_over: Callable[[], bool], what: str) -> None:
        """Ask steadily until something has come about.

        Raises:
            TidemillError: if it does not in `PATIENCE_S`, or a service ends meanwhile.
        """
        deadline = time.monotonic() + PATIENCE_S

        def asked() -> Iterator[str]:
            while not is_over():
                if time.monotonic() > deadline:
                    raise TidemillError(f"waited {PATIENCE_S:.0f} s for {what} in vain; see {self.services.logs}")
                for name in ("server", "dagster-daemon"):
                    if self.services.children[name].poll() is not None:
                        raise TidemillError(f"{name} ended on its own; see {self.services.logs / name}.log")
                yield from self.questions.draw(1, self.shift, self.asked)

        self._replay(asked(), STEADY)

    def _replay(self, asked: Iterator[str], rate: float) -> None:
        def counted() -> Iterator[str]:
            for question in asked:
                self.asked += 1
                yield question

        replay(self.url, counted(), rate, seed=self.asked, into=self.replayed)

    def _alarms(self) -> dict[str, bool]:
        """Whether each judged window raised an alarm, by the window's name."""
        reports = drift_reports(self.workplace.lake, self.workplace.journal.read())
        return {str(report.partition): bool(report.stats["alarm"]) for report in reports}

    def _champion(self) -> Entry:
        champion = self.workplace.journal.read().champion
        if champion is None:
            raise TidemillError("the first snapshot's model did not become champion; see `tidemill report`")
        return champion

    def _verdicts(self) -> list[Entry]:
        return [entry for entry in self.workplace.journal.read().entries if entry.verdict]


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
            site, settings = Site.resolve(str(home)), settle(options.profile, None, (), home)
            settings.remember(home)
            with Services(site, settings) as services:
                ending = Story(services, site, settings).tell()
    except (TidemillError, subprocess.TimeoutExpired) as error:
        log.error("the story broke off: %s", error)
        return 2
    sys.stdout.write(json.dumps(ending) + "\n")
    is_well = ending["promoted"] and ending["refused"] and ending["alarms_shifted"]
    return 0 if is_well and not ending["alarms_in_domain"] and not ending["failed_requests"] else 1


if __name__ == "__main__":
    sys.exit(main())
