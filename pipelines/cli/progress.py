"""Progress on a terminal: what is being made, how fast, and how long it will still take."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from resources.build import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

EVERY_S = 5.0


class ProgressDisplay:
    """Shows the latest progress: a live bar on a terminal, a line every few seconds elsewhere, both on stderr."""

    def __init__(self) -> None:
        self._label = ""
        self._started = self._shown = 0.0
        self._first = 0.0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressDisplay:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}, {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        label = progress.label.split(",")[0]
        if label != self._label:
            self._label, self._started, self._first, self._shown, self._task = label, now, progress.done, 0.0, None
        rate = (progress.done - self._first) / (now - self._started) if now > self._started else 0.0
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(label, total=progress.total, unit=progress.unit, rate="")
            self._bar.update(
                self._task,
                completed=progress.done,
                description=progress.label,
                total=progress.total,
                rate=f"{rate:,.1f}/s",
            )
            return
        is_last = progress.total is not None and progress.done >= progress.total
        if now - self._shown >= EVERY_S or (is_last and self._shown):
            self._shown = now
            print(_line(progress, rate), file=sys.stderr, flush=True)


def _line(progress: Progress, rate: float) -> str:
    total = f"/{progress.total:,.0f}" if progress.total is not None else ""
    left = ""
    if progress.total is not None and rate > 0 and progress.done < progress.total:
        left = f", {(progress.total - progress.done) / rate:,.0f} s left"
    speed = f", {rate:,.1f}/s" if rate > 0 else ""
    return f"{progress.label}: {progress.done:,.0f}{total} {progress.unit}{speed}{left}"
