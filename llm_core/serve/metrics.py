"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from llm_core.generate.engine import EngineStats
from llm_core.serve.follower import Follower

LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """One server's metrics, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "llm_requests", "Answered HTTP requests.", ["endpoint", "status"], registry=self.registry
        )
        self.latency_s = Histogram(
            "llm_request_seconds",
            "From a generation request's arrival to its last token.",
            ["endpoint"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.first_token_s = Histogram(
            "llm_first_update_seconds",
            "From a streamed request's arrival to its first piece of text.",
            ["endpoint"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.log_failures = Counter(
            "llm_request_log_failures", "Records that the request log did not take.", registry=self.registry
        )

    def watch(self, stats: EngineStats, follower: Follower) -> None:
        """Read the engine's counts and the model's version whenever metrics are asked for."""
        self.registry.register(_EngineCollector(stats, follower))

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    def __init__(self, stats: EngineStats, follower: Follower) -> None:
        self._stats = stats
        self._follower = follower

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        yield CounterMetricFamily("llm_prompt_tokens", "Prompt tokens computed.", value=stats.prompt_tokens)
        yield CounterMetricFamily("llm_generated_tokens", "Tokens generated.", value=stats.generated_tokens)
        yield CounterMetricFamily("llm_forward_passes", "Forward passes of a model.", value=stats.forward_passes)
        yield CounterMetricFamily("llm_steps", "Rounds over the running batch.", value=stats.steps)
        yield GaugeMetricFamily("llm_batch_size", "Completions in the running batch.", value=stats.running)
        yield GaugeMetricFamily("llm_queue_length", "Completions that wait for a slot.", value=stats.waiting)
        yield CounterMetricFamily(
            "llm_model_load_failures", "Times that the source or a load failed.", value=self._follower.failures
        )
        if self._follower.loaded is not None:
            version = self._follower.loaded.version
            model = GaugeMetricFamily(
                "llm_model", "The model version that is served.", labels=["name", "version", "fingerprint"]
            )
            model.add_metric([version.name, version.version, version.fingerprint], 1.0)
            yield model
