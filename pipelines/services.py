"""Long-lived processes of a home (Dagster, MLflow, the server), started together and ended together."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Self

from pipelines.execute import close_dead_runs, open_instance
from pipelines.keeper import end_children
from pipelines.settings import Settings
from pipelines.site import Site
from resources.errors import TidemillError
from resources.tracking import QUIET

START_S = 120.0
POLL_S = 0.3
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy reaches our loopback
log = logging.getLogger(__name__)


class Services:
    """Children that end with this process: at its end, at SIGTERM, and even when it is killed."""

    def __init__(self, site: Site, settings: Settings):
        self.site, self.spec = site, settings.load().spec
        self.logs = site.home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            **QUIET,
            **settings.variables(),
            **site.variables(),
            "DAGSTER_HOME": str(site.home / "dagster"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a queue of its own, in processes that outlive it
        }
        with open_instance(site.home) as instance:
            close_dead_runs(instance)

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        return self

    def __exit__(self, *_: object) -> None:
        end_children()

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a child whose output goes to `<home>/logs/NAME.log`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "pipelines.keeper", str(os.getpid()), *command],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.children[name] = child
        return child

    def start_dagster(self, port: int) -> str:
        """The webserver on loopback (port 0 takes a free one), and the daemon; returns the address."""
        port = port or free_port()
        module = ["-m", "pipelines.definitions"]
        self.start("dagster-webserver", ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *module])
        self.start_daemon()
        self.await_page("dagster-webserver", f"http://127.0.0.1:{port}/server_info")
        return f"http://127.0.0.1:{port}"

    def start_daemon(self) -> None:
        """The daemon that runs schedules, sensors and the queue."""
        self.start("dagster-daemon", ["-m", "dagster._daemon", "run", "-m", "pipelines.definitions"])

    def start_mlflow(self, port: int) -> str:
        """MLflow's pages on loopback (port 0 takes a free one), over the home's database; returns the address."""
        port = port or free_port()
        tracking = self.site.workplace(self.spec.model_name).tracking
        preparing = tracking.prepare()
        if preparing is not None:
            preparing.communicate()
        command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        store = ["--backend-store-uri", tracking.uri, "--default-artifact-root", (self.site.home / "mlruns").as_uri()]
        self.start("mlflow", [*command, *store])
        self.await_page("mlflow", f"http://127.0.0.1:{port}/health")
        return f"http://127.0.0.1:{port}"

    def await_page(self, name: str, url: str) -> None:
        """Wait until a child answers.

        Raises:
            TidemillError: if it ended instead, or stays silent; its log says why.
        """
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            status = self.children[name].poll()
            if status is not None:
                raise TidemillError(
                    f"{name} ended with status {status}; see {self.logs / name}.log (is the port taken?)"
                )
            try:
                with DIRECTLY.open(url, timeout=5):
                    return
            except OSError:
                time.sleep(POLL_S)
        raise TidemillError(f"{name} does not answer at {url}; see {self.logs / name}.log")

    def wait(self) -> int:
        """Stay until a child ends (status 1) or a signal comes (0)."""
        try:
            while True:
                for name, child in self.children.items():
                    if child.poll() is not None:
                        log.error("%s ended with status %s; see %s.log", name, child.returncode, self.logs / name)
                        return 1
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            return 0


def free_port() -> int:
    """A port of the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
