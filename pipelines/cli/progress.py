"""Progress on a terminal: what is being made, how fast, and how long it will still take."""

import shutil
import sys
import time
from typing import Self

from resources.build import Progress

EVERY_S, LIVE_EVERY_S = 5.0, 0.1
REWRITE = "\r\x1b[K"  # to the line's begin, and clear it


class ProgressDisplay:
    """Shows the latest progress on stderr: on a terminal a line that is rewritten, elsewhere one every few seconds."""

    def __init__(self) -> None:
        self._label = ""
        self._started = self._shown = self._first = 0.0
        self._is_live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._end_line()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        label = progress.label.split(",")[0]
        if label != self._label:
            self._end_line()
            self._label, self._started, self._first, self._shown = label, now, progress.done, 0.0
        rate = (progress.done - self._first) / (now - self._started) if now > self._started else 0.0
        is_last = progress.total is not None and progress.done >= progress.total
        if now - self._shown < (LIVE_EVERY_S if self._is_live else EVERY_S) and not (is_last and self._shown):
            return
        self._shown = now
        line = _line(progress, rate)
        if self._is_live:
            line = REWRITE + line[: shutil.get_terminal_size().columns - 1]
        print(line, end="" if self._is_live else "\n", file=sys.stderr, flush=True)

    def _end_line(self) -> None:
        if self._is_live and self._label:
            print(file=sys.stderr)


def _line(progress: Progress, rate: float) -> str:
    total, left = "", ""
    if progress.total is not None:
        total = f"/{progress.total:,.0f}"
        if rate > 0 and progress.done < progress.total:
            left = f", {(progress.total - progress.done) / rate:,.0f} s left"
    speed = f", {rate:,.1f}/s" if rate > 0 else ""
    return f"{progress.label}: {progress.done:,.0f}{total} {progress.unit}{speed}{left}"
