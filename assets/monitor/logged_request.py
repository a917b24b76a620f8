"""One line of the request log: what is kept of an answer, and its form in JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from assets.monitor.config import MonitorConfig
from assets.pii import mask_pii
from llm_core.serve.record import RequestRecord


@dataclass(frozen=True)
class LoggedRequest:
    """What the log keeps of one prompt and its answer; texts only where the spec says so, lengths always.

    `number` counts the log's requests from 1, in the order of their writing. `time` is when the
    request came, in UTC (ISO 8601). Lengths in bytes are those of the text as it was, in UTF-8,
    before masking and cutting; `masked` is how many pieces of personal data were replaced. The
    other fields are those of `llm_core.serve.record.RequestRecord`.
    """

    number: int
    time: str
    id: str
    index: int
    model_name: str
    model_version: str
    fingerprint: str
    endpoint: str
    status: int
    finish_reason: str
    prompt_bytes: int
    completion_bytes: int
    prompt_tokens: int
    completion_tokens: int
    prompt_logprob: float | None
    latency_s: float
    masked: int
    prompt: str | None
    completion: str | None

    @classmethod
    def of(cls, record: RequestRecord, number: int, config: MonitorConfig) -> LoggedRequest:
        """What this spec keeps of a record."""
        prompt, prompt_masked = storable(record.prompt, config) if config.store_prompts else (None, 0)
        completion, completion_masked = storable(record.completion, config) if config.store_completions else (None, 0)
        logprob, kept = record.prompt_logprob, asdict(record)
        kept |= {
            "prompt_logprob": logprob if logprob is not None and math.isfinite(logprob) else None,
            "prompt": prompt,
            "completion": completion,
        }
        return cls(
            number=number,
            time=datetime.fromtimestamp(kept.pop("time_s"), UTC).isoformat(timespec="milliseconds"),
            prompt_bytes=len(record.prompt.encode(errors="replace")),
            completion_bytes=len(record.completion.encode(errors="replace")),
            masked=prompt_masked + completion_masked,
            **kept,
        )

    def to_line(self) -> bytes:
        return _FORMAT.dump_json(self) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> LoggedRequest:
        """Read a line; pydantic's ValidationError says what is wrong with another."""
        return _FORMAT.validate_json(line, strict=True)

    def content(self) -> dict[str, object]:
        """What was asked and answered: all that does not depend on when, how fast, and under which id."""
        return {name: value for name, value in asdict(self).items() if name not in CIRCUMSTANCES}


CIRCUMSTANCES = frozenset({"number", "time", "id", "model_version", "prompt_logprob", "latency_s"})
_FORMAT = TypeAdapter(LoggedRequest)


def storable(text: str, config: MonitorConfig) -> tuple[str, int]:
    """A text as the spec lets it be kept: personal data masked, then cut; and how much was masked.

    Half surrogate pairs, which no encoding of Unicode can write, become question marks.
    """
    masked = mask_pii(text.encode(errors="replace").decode(), config.mask)
    return masked.text[: config.longest_text], sum(masked.counts.values())
