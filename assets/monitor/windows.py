"""Closed windows of the request log, and each as an artifact: what was asked, as it was seen."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assets.documents import Funnel
from assets.monitor.logged_request import LoggedRequest
from assets.monitor.request_log import Unreadable, read_lines, segments
from resources.artifact import blake2
from resources.build import Build, Outcome
from resources.errors import InputError

REQUESTS = "requests.parquet"
UNREADABLE = "unreadable.jsonl"
TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
    "str": pa.string(),
    "str | None": pa.large_string(),  # texts
}
SCHEMA = pa.schema([(field.name, TYPES[str(field.type)]) for field in fields(LoggedRequest)])


def closed_windows(folder: Path) -> list[Path]:
    """The closed windows of a log, oldest first; the stem of its file is a window's partition.

    A window is a segment, closed once a later one exists, which its last request begins. So whoever
    looks sees the same, and a change of the spec's window changes none that was closed.
    """
    return segments(folder)[:-1]


def observe_window(build: Build, window: Path) -> Outcome:
    """Fill the build with a closed window: `requests.parquet` in log order, `unreadable.jsonl` with all else.

    The digest is over the window's name and what was asked and answered, as a set: ids, times, latencies, recorded
    log-probabilities and the order in which requests ended are in the files, but not in it.
    """
    requests, unreadable = read_lines(window.read_bytes())
    with build.file(UNREADABLE) as path:
        path.write_text("".join(json.dumps(asdict(line)) + "\n" for line in unreadable))
    with build.file(REQUESTS) as path:
        pq.write_table(pa.Table.from_pylist([asdict(request) for request in requests], schema=SCHEMA), path)
    content = sorted(json.dumps(request.content(), sort_keys=True) for request in requests)
    return Outcome(_stats(requests, unreadable), digest=blake2([window.stem, *content]))


def read_prompts(folder: Path) -> list[str | None]:
    """The prompts of a window's artifact, in log order; None where the text was not kept.

    Raises:
        InputError: if its file is not one that `observe_window` wrote.
    """
    path = folder / REQUESTS
    try:
        prompts: list[str | None] = pq.read_table(path, schema=SCHEMA)["prompt"].to_pylist()
    except (pa.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path} is not a window of a request log ({error}); run `tidemill verify`") from error
    return prompts


def _stats(requests: Sequence[LoggedRequest], unreadable: Sequence[Unreadable]) -> dict[str, object]:
    reasons = Counter(line.reason for line in unreadable)
    funnel = Funnel(len(requests) + len(unreadable), len(requests), dict(sorted(reasons.items())))
    return {
        **funnel.stats(),
        "prompt_tokens": sum(request.prompt_tokens for request in requests),
        "completion_tokens": sum(request.completion_tokens for request in requests),
        "masked": sum(request.masked for request in requests),
        "failed": sum(request.status >= 500 for request in requests),
        "endpoints": dict(sorted(Counter(request.endpoint for request in requests).items())),
        "models": dict(sorted(Counter(request.fingerprint for request in requests).items())),
    }
