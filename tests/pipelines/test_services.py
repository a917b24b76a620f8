"""Long-lived processes: found without a proxy, and ended with all that they started."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from pipelines.services import Services
from pipelines.settings import Settings
from pipelines.site import Site

LEAVES_A_CHILD = """
import subprocess, sys
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
print(subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], **quiet).pid, flush=True)
sys.exit(3)
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_page_on_loopback_is_asked_for_directly_whatever_the_proxy(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pipelines.services.START_S", 5)
    services = Services(Site(tmp_path, str(tmp_path / "lake"), 1), Settings("smoke", None, ()))
    with HTTPServer(("127.0.0.1", 0), Page) as server, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        services.children["page"] = child
        services.await_page("page", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux gives orphans to who asks for them")
def test_a_service_that_ends_by_itself_leaves_nothing_that_it_started():
    command = [sys.executable, "-m", "pipelines.keeper", str(os.getpid()), "-c", LEAVES_A_CHILD]
    kept = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert kept.returncode == 3
    assert not psutil.pid_exists(int(kept.stdout))
