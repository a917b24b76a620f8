import threading

import pytest

from llm_core.errors import ConfigError
from llm_core.generate.engine import Engine
from llm_core.serve.config import ServeConfig
from tests.llm_core.serve.folder_source import FolderSource


def test_a_full_queue_is_answered_429_with_retry_after(serve, folder, monkeypatch):
    may_step, has_begun, step = threading.Event(), threading.Event(), Engine.step

    def held(engine):
        has_begun.set()
        may_step.wait(timeout=30)
        step(engine)

    monkeypatch.setattr(Engine, "step", held)
    limits = ServeConfig(threads=1, slots=1, max_queue=1, max_prompts=2, poll_interval_s=3600.0)
    with serve(FolderSource(folder), limits=limits) as running:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(running.complete(prompt=["the", "tide"], max_tokens=5)))
        asking.start()
        assert has_begun.wait(timeout=30)
        refused = running.post("/v1/completions", prompt="mill", max_tokens=5)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (refused.json()["error"]["type"], refused.json()["error"]["code"]) == ("rate_limit_error", "queue_full")
        may_step.set()
        asking.join(timeout=30)
        assert len(answers[0]["choices"]) == 2
        assert running.complete(prompt="mill", max_tokens=5)["choices"], "there is room again"
        assert running.metric('llm_requests_total{endpoint="/v1/completions",status="429"}') == 1


def test_metrics_count_requests_tokens_and_passes(serve, folder):
    with serve(FolderSource(folder)) as running:
        usage = running.complete(prompt="the tide mill", max_tokens=9, temperature=0)["usage"]
        assert running.metric('llm_requests_total{endpoint="/v1/completions",status="200"}') == 1
        assert running.metric("llm_prompt_tokens_total") == usage["prompt_tokens"]
        assert running.metric("llm_generated_tokens_total") == 9
        assert running.metric("llm_forward_passes_total") == 9
        assert running.metric("llm_batch_size") == running.metric("llm_queue_length") == 0
        assert running.metric('llm_request_seconds_count{endpoint="/v1/completions"}') == 1
        version = FolderSource(folder).current()
        labels = f'fingerprint="{version.fingerprint}",name="tide",version="{version.version}"'
        assert running.metric(f"llm_model{{{labels}}}") == 1


@pytest.mark.parametrize(
    ("field", "value"), [("slots", 0), ("max_queue", -1), ("poll_interval_s", 0.0), ("max_prompts", 1000)]
)
def test_impossible_limits_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        ServeConfig(**{field: value})


def test_a_failure_of_the_server_itself_is_counted_as_one(serve, folder, monkeypatch):
    def break_down(self):
        raise RuntimeError("the shaft broke")

    with serve(FolderSource(folder)) as running:
        monkeypatch.setattr("llm_core.serve.metrics.Metrics.text", break_down)
        failed = running.client.get("/metrics", headers={"Connection": "close"})  # the server ends the connection
        assert failed.status_code == 500
        monkeypatch.undo()
        assert running.metric('llm_requests_total{endpoint="/metrics",status="500"}') == 1
