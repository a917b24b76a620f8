import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from llm_core.serve.config import ServeConfig
from tests.llm_core.serve.folder_source import FolderSource

BODY = {"prompt": "the tide", "max_tokens": 240, "temperature": 0, "stream": True}

SERVE = """
import logging, pathlib, socket, sys
from llm_core.serve.app import create_app, run_server
from llm_core.serve.config import ServeConfig
from tests.llm_core.serve.folder_source import FolderSource
logging.basicConfig(level=logging.INFO)
source = FolderSource(pathlib.Path(sys.argv[1]))
run_server(create_app(source.current, limits=ServeConfig(threads=1)), socket.create_server(("127.0.0.1", 0)))
"""


def test_told_to_stop_it_turns_unready_finishes_what_runs_and_ends(serve, folder):
    records = []
    limits = ServeConfig(threads=1, poll_interval_s=3600.0)
    with serve(FolderSource(folder), limits=limits, log=records.append) as running:
        with running.client.stream("POST", "/v1/completions", json=BODY) as response:
            lines = response.iter_lines()
            next(lines)
            running.server.handle_exit(signal.SIGTERM, None)
            assert running.client.get("/ready").status_code == 503
            refused = running.post("/v1/completions", prompt="a")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert running.client.get("/health").json()["is_draining"] is True
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
        running.thread.join(timeout=30)
        assert not running.thread.is_alive()
    assert [record.completion_tokens for record in records] == [240]


@pytest.mark.slow
def test_a_process_ends_well_at_sigterm(folder):
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url, is_loaded = None, False
        while url is None or not is_loaded:
            line = process.stderr.readline()
            assert line, "the server ended before it served"
            is_loaded |= "serving tide version" in line
            if address := re.search(r"listening on (http://\S+)", line):
                url = address[1]
        with httpx.stream("POST", f"{url}/v1/completions", json=BODY, timeout=60) as response:
            lines = response.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert process.wait(timeout=30) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait()
