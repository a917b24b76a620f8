"""What a training tells while it lasts: its progress at each step, its metrics as lines of the asset's log."""

from types import SimpleNamespace

from assets.training_process import ReportingCallback
from llm_core.train.metrics import LINE_EVERY_S, StepMetrics


def test_metrics_stream_to_the_log_every_few_seconds_and_progress_at_each_step(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("llm_core.train.metrics.time", SimpleNamespace(monotonic=lambda: clock[0]))
    progress, lines = [], []
    callback = ReportingCallback(progress.append, lines.append)
    for step in range(20):
        callback.on_step(StepMetrics(step, 20, 2.5 - step / 10, 0.02, 1.0, 64 * (step + 1), 1000.0))
        clock[0] += LINE_EVERY_S / 4
    assert [step.done for step in progress] == list(range(1, 21))
    assert [line.split()[1] for line in lines] == ["1/20", "5/20", "9/20", "13/20", "17/20", "20/20"]
    assert all(word in lines[1] for word in ("loss 2.1000", "lr 2.00e-02", "1,000 tokens/s"))
