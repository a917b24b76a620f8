"""What the server counts, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from llm_core.generate.engine import EngineStats
from llm_core.generate.engine_thread import EngineThread
from llm_core.serve.models import Follower

LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics(Collector):
    """One server's metrics, in a registry of its own; the engine's counts are read when they are asked for."""

    def __init__(self, stats: EngineStats, engines: EngineThread, follower: Follower) -> None:
        self._stats, self._engines, self._follower = stats, engines, follower
        self._registry = registry = CollectorRegistry()
        registry.register(self)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=registry)

        def histogram(name: str, what: str) -> Histogram:
            return Histogram(name, what, ["endpoint"], buckets=LATENCY_BUCKETS_S, registry=registry)

        self.requests = counter("llm_requests", "Answered HTTP requests.", "endpoint", "status")
        self.log_failures = counter("llm_request_log_failures", "Records that the request log did not take.")
        self.latency_s = histogram("llm_request_seconds", "From a generation request's arrival to its last token.")
        self.first_token_s = histogram(
            "llm_first_update_seconds", "From a streamed request's arrival to its first text."
        )

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The engine's counts and the model's version."""
        stats, busy, failures = self._stats, self._engines.busy, self._follower.failures
        running, waiting = sum(len(engine.running) for engine in busy), sum(len(engine.waiting) for engine in busy)
        yield CounterMetricFamily("llm_prompt_tokens", "Prompt tokens computed.", value=stats.prompt_tokens)
        yield CounterMetricFamily("llm_generated_tokens", "Tokens generated.", value=stats.generated_tokens)
        yield CounterMetricFamily("llm_forward_passes", "Forward passes of a model.", value=stats.forward_passes)
        yield GaugeMetricFamily("llm_batch_size", "Completions in the running batch.", value=running)
        yield GaugeMetricFamily("llm_queue_length", "Completions that wait for a slot.", value=waiting)
        yield CounterMetricFamily("llm_model_load_failures", "Times the source or a load failed.", value=failures)
        if self._follower.loaded is not None:
            version = self._follower.loaded.version
            labels = {"name": version.name, "version": version.version, "fingerprint": version.fingerprint}
            model = GaugeMetricFamily("llm_model", "The model version that is served.", labels=list(labels))
            model.add_metric(list(labels.values()), 1.0)
            yield model
