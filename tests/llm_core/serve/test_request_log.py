import json
import queue
import socket
import threading

import pytest

from llm_core.generate.engine import Engine
from llm_core.serve.config import ServeConfig
from tests.llm_core.serve.folder_source import FolderSource

LIMITS = ServeConfig(threads=1, poll_interval_s=3600.0)


def test_each_answer_leaves_a_record_under_its_own_id(serve, folder):
    records = []
    with serve(FolderSource(folder), limits=LIMITS, log=records.append) as running:
        plain = running.complete(prompt="the tide mill", max_tokens=5, temperature=0)
        scored = running.complete(prompt="the tide mill", max_tokens=0, echo=True, logprobs=0)
        chat = running.chat("what turns?", max_tokens=4)
        several = running.complete(prompt=["the", "tide mill"], max_tokens=2)
        refused = running.post("/v1/completions", prompt="a", n=5)
    assert refused.status_code == 400, "a refused request is counted, and leaves no record"
    assert [record.id for record in records] == [plain["id"], scored["id"], chat["id"], several["id"], several["id"]]
    assert sorted(record.index for record in records[3:]) == [0, 1]

    first, version = records[0], FolderSource(folder).current()
    assert (first.model_name, first.model_version, first.fingerprint) == ("tide", version.version, version.fingerprint)
    assert (first.prompt, first.completion) == ("the tide mill", plain["choices"][0]["text"])
    assert (first.prompt_tokens, first.completion_tokens) == (plain["usage"]["prompt_tokens"], 5)
    assert (first.endpoint, first.status, first.finish_reason) == ("/v1/completions", 200, "length")
    logprobs = scored["choices"][0]["logprobs"]["token_logprobs"][1:]
    assert first.prompt_logprob == pytest.approx(sum(logprobs) / len(logprobs))
    assert first.latency_s > 0
    assert records[2].prompt == "<|user|>what turns?<|end|><|assistant|>"


def test_a_log_that_fails_is_counted_and_fails_no_request(serve, folder):
    def full_disk(record, /):
        raise OSError("no space left on device")

    with serve(FolderSource(folder), limits=LIMITS, log=full_disk) as running:
        assert running.complete(prompt="a", max_tokens=1)["choices"]
        assert running.metric("llm_request_log_failures_total") == 1


@pytest.fixture
def stepped(monkeypatch):
    """An event that is set once the engine has begun to compute."""
    event, step = threading.Event(), Engine.step

    def stepping(engine):
        event.set()
        step(engine)

    monkeypatch.setattr(Engine, "step", stepping)
    return event


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_is_cancelled_and_leaves_a_record(serve, folder, stepped, stream):
    records = queue.Queue()
    body = json.dumps({"prompt": "the tide", "max_tokens": 250, "seed": 1, "stream": stream}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    with serve(FolderSource(folder), limits=LIMITS, log=records.put) as running:
        with socket.create_connection(running.address) as client:
            client.sendall(head.encode() + b"\r\n\r\n" + body)
            assert stepped.wait(timeout=30)
        record = records.get(timeout=30)
        assert (record.status, record.finish_reason) == (499, "cancelled")
        assert record.completion_tokens < 250
        assert running.complete(prompt="a", max_tokens=1)["choices"], "the server goes on"
