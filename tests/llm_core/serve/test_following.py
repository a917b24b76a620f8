import json
import shutil
import threading
from dataclasses import replace

import httpx
import pytest
import safetensors.torch
import torch

from llm_core.generate.engine import EngineStats
from llm_core.generate.request import GenerationError
from llm_core.serve.config import ServeConfig
from llm_core.serve.models import load
from tests.llm_core.serve.folder_source import FolderSource

LIMITS = ServeConfig(threads=1, poll_interval_s=3600.0)


def test_a_swap_under_load_fails_no_request_and_mixes_no_versions(serve, switch, other_folder):
    old, new = switch.version, FolderSource(other_folder).current()
    body = {"prompt": "the tide mill", "max_tokens": 25, "temperature": 0}
    with serve(switch, limits=LIMITS) as running:
        answers: list[tuple[int, str, str]] = []
        swapped, under_load = threading.Event(), threading.Barrier(7, timeout=60)

        def ask() -> None:
            """Ask without pause, until two answers came that were asked for after the swap."""
            asked, after = 0, 0
            with httpx.Client(base_url=running.client.base_url, timeout=60.0) as client:
                while after < 2:
                    after += swapped.is_set()
                    response = client.post("/v1/completions", json=body)
                    answer = response.json()
                    answers.append((response.status_code, answer["model_version"], answer["choices"][0]["text"]))
                    asked += 1
                    if asked == 2:
                        under_load.wait()

        clients = [threading.Thread(target=ask) for _ in range(6)]
        for client in clients:
            client.start()
        under_load.wait()
        switch.version = new
        running.server.service.follower.refresh()
        swapped.set()
        for client in clients:
            client.join(timeout=60)

        assert {status for status, _, _ in answers} == {200}
        assert {version for _, version, _ in answers} == {old.version, new.version}
        assert len({(version, text) for _, version, text in answers}) == 2, "each version has its one greedy text"
        assert running.complete(**body)["model_version"] == new.version


def test_a_request_that_runs_during_the_swap_ends_on_its_version(serve, switch, other_folder):
    new = FolderSource(other_folder).current()
    body = {"prompt": "the tide", "max_tokens": 200, "temperature": 0}
    with serve(switch, limits=LIMITS) as running:
        whole = running.complete(**body)["choices"][0]["text"]
        with running.client.stream("POST", "/v1/completions", json={**body, "stream": True}) as response:
            lines = response.iter_lines()
            chunks = [next(lines)]
            switch.version = new
            running.server.service.follower.refresh()
            assert running.complete(prompt="a", max_tokens=1)["model_version"] == new.version
            chunks += [line for line in lines if line]
        parsed = [json.loads(chunk.removeprefix("data: ")) for chunk in chunks[:-1]]
        assert "".join(chunk["choices"][0]["text"] for chunk in parsed) == whole
        assert new.version not in {chunk["model_version"] for chunk in parsed}


def test_a_version_that_does_not_load_keeps_the_old_one_and_says_so(serve, switch, folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    good = switch.version
    with serve(switch, limits=LIMITS) as running:
        switch.version = replace(good, folder=broken, version="broken", fingerprint="x")
        running.server.service.follower.refresh()
        health = running.client.get("/health").json()
        assert (health["status"], health["model"]["version"]) == ("degraded", good.version)
        assert "version broken does not load" in health["load_error"]
        assert running.complete(prompt="a", max_tokens=1)["model_version"] == good.version
        assert running.client.get("/ready").status_code == 200

        switch.error = ConnectionError("registry is down")
        running.server.service.follower.refresh()
        assert "registry is down" in running.client.get("/health").json()["load_error"]

        switch.error, switch.version = None, good
        running.server.service.follower.refresh()
        assert running.client.get("/health").json()["status"] == "ok"
        assert running.metric("llm_model_load_failures_total") == 2


def test_before_its_first_model_a_server_answers_but_is_not_ready(serve, switch):
    switch.error = ConnectionError("registry is down")
    with serve(switch, limits=LIMITS) as running:
        assert running.client.get("/ready").status_code == 503
        assert running.client.get("/v1/models").json()["data"] == []
        refused = running.post("/v1/completions", prompt="a")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        switch.error = None
        running.server.service.follower.refresh()
        assert running.client.get("/ready").json() == {"ready": True}
        [model] = running.client.get("/v1/models").json()["data"]
        assert (model["id"], model["version"], model["context_tokens"]) == ("tide", switch.version.version, 256)
        assert running.complete(model=f"tide@{switch.version.version}", prompt="a", max_tokens=1)["choices"]


def test_weights_that_score_nonsense_are_not_served(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "tide")
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    weights["norm.weight"] = torch.full_like(weights["norm.weight"], torch.nan)
    safetensors.torch.save_file(weights, copy / "model.safetensors")
    with pytest.raises(GenerationError, match="its weights are broken"):
        load(FolderSource(copy).current(), LIMITS, EngineStats())
