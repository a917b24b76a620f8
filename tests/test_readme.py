"""The README's walk from a folder of JSONL to a served model, with its own words and a smaller model."""

import ast
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TIDEMILL = [sys.executable, "-m", "pipelines.cli.main"]
SMALL = {
    "tokenizer.vocab_size": 512,
    "pretrain": "{launch: in_process, processes: 1}",
    "pretrain.model": "{hidden_size: 64, layers: 2, heads: 2, max_positions: 128}",
    "pretrain.train": "{steps: 60, sequences: 8, length: 128, precision: fp32, compile: 'off', threads: 1}",
    "finetune": "{launch: in_process, processes: 1}",
    "finetune.train": "{steps: 4, sequences: 4, length: 64, precision: fp32, compile: 'off', threads: 1}",
    "lora.train": "{steps: 4, sequences: 4, length: 64, precision: fp32, compile: 'off', threads: 1}",
}


@pytest.fixture
def folder(tmp_path):
    """A folder as the README has it: its `mine.yaml`, and `data/` with documented functions of the library."""
    settings = re.search(r"```yaml\n(extends: demo\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(settings[1])
    (tmp_path / "data").mkdir()
    with gzip.open(tmp_path / "data" / "docs.jsonl.gz", "wt") as file:
        for module in (
            "argparse",
            "statistics",
            "textwrap",
            "subprocess",
            "tarfile",
            "pathlib",
            "random",
            "shutil",
            "doctest",
        ):
            source = Path(sys.modules["os"].__file__).with_name(f"{module}.py")
            for node in ast.walk(ast.parse(source.read_text())):
                text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
                if text and len(text) > 120:
                    name = f"{module}.{node.name}"
                    row = {"headline": name, "body": f"# {name}()\n\n{text}", "link": f"https://docs.example/{name}"}
                    file.write(json.dumps(row) + "\n")
    return tmp_path


def wait_until_ready(address: str, tries: int = 600) -> None:
    """Ask until the model is loaded; 503 until then."""
    for _ in range(tries):
        try:
            urllib.request.urlopen(f"{address}/ready", timeout=60).close()
            return
        except urllib.error.HTTPError:
            threading.Event().wait(0.1)
    raise AssertionError(f"{address} did not become ready")


@pytest.mark.slow
def test_a_folder_of_jsonl_becomes_a_served_model(folder):
    environment = {
        **os.environ,
        "TIDEMILL_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    ran = subprocess.run(
        [*TIDEMILL, "run", "--profile", "mine.yaml", "--json", "--workers", "1", *sets],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer["champion"] == {"name": "tidemill-mine", "version": 1}

    server = subprocess.Popen(
        [*TIDEMILL, "serve", "--port", "0"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        address = next(found[0] for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        wait_until_ready(address)
        asked = json.dumps({"model": "tidemill-mine", "prompt": "Return a new", "max_tokens": 8}).encode()
        request = urllib.request.Request(f"{address}/v1/completions", asked, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            completion = json.load(response)
        assert completion["choices"][0]["text"]
        assert completion["model_version"] == "1"
    finally:
        server.send_signal(signal.SIGTERM)
        server.stderr.close()
        assert server.wait(60) == 0
