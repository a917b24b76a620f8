"""Where work happens on this machine: the lake, the journal, the tracker, and how many workers; never hashed."""

from collections.abc import Callable
from dataclasses import dataclass

from resources.build import Progress, silent
from resources.journal import Journal
from resources.lake import Lake
from resources.tracking import Tracking


@dataclass(frozen=True)
class Workplace:
    """What an asset needs of the outside world."""

    lake: Lake
    journal: Journal
    tracking: Tracking
    workers: int = 1
    report: Callable[[Progress], None] = silent
