"""How often the monitors alarm: without drift, where the rate is promised, and with a known share of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests, compare
from resources.errors import InputError


@dataclass(frozen=True)
class Alarms:
    """Windows that were compared, those with an alarm, and the alarms of each monitor by itself."""

    windows: int
    alarms: int
    by_monitor: Mapping[str, int]

    def fits(self, rate: float, level: float = 0.99) -> bool:
        """Whether so many alarms are within the central binomial interval of this rate."""
        low, high = binom.interval(level, self.windows, rate)
        return bool(low <= self.alarms <= high)


@dataclass(frozen=True)
class Calibration:
    """Alarms over windows without drift, and over windows of which a share is of another subject."""

    in_domain: Alarms
    shifted: Mapping[float, Alarms]


def calibrate(
    in_domain: Requests,
    shifted: Requests,
    config: MonitorConfig,
    *,
    windows: int,
    shifted_windows: int,
    mixes: Sequence[float] = (0.1, 0.25, 0.5, 1.0),
) -> Calibration:
    """Cut in-domain requests into disjoint windows, and count the alarms; then mix in others.

    Sizes and rate are the spec's. Each window meets a reference drawn from the requests outside it: the
    rate is promised over references and windows alike, and windows that share a reference err together.
    A shifted window takes the rest of its requests from an in-domain one.

    Raises:
        InputError: if there are too few requests.
    """
    size = config.window_requests
    needed = config.reference_requests + windows * size, round(max(mixes) * size)
    if len(in_domain) < needed[0] or len(shifted) < needed[1] or shifted_windows > windows:
        raise InputError(
            f"{windows} windows and a reference take {needed[0]} in-domain and {needed[1]} shifted requests; there are "
            f"{len(in_domain)} and {len(shifted)}: use fewer or smaller windows"
        )
    draw = np.random.default_rng(config.seed)
    order = draw.permutation(len(in_domain))
    starts = range(0, windows * size, size)
    plain = [_take(in_domain, order[start : start + size]) for start in starts]
    others = [np.delete(order, slice(start, start + size)) for start in starts]
    references = [_take(in_domain, draw.choice(places, config.reference_requests, replace=False)) for places in others]
    mixed = {
        mix: [_mix(window, shifted, round(mix * size), draw) for window in plain[:shifted_windows]] for mix in mixes
    }
    return Calibration(
        _count(plain, references, config), {mix: _count(made, references, config) for mix, made in mixed.items()}
    )


def _take(requests: Requests, places: NDArray[np.int64]) -> Requests:
    return Requests([requests.texts[place] for place in places], requests.bits_per_byte[places])


def _mix(window: Requests, shifted: Requests, count: int, draw: np.random.Generator) -> Requests:
    """The window with `count` of its requests replaced by others."""
    others = _take(shifted, draw.permutation(len(shifted))[:count])
    texts = [*others.texts, *window.texts[count:]]
    return Requests(texts, np.concatenate([others.bits_per_byte, window.bits_per_byte[count:]]))


def _count(windows: Sequence[Requests], references: Sequence[Requests], config: MonitorConfig) -> Alarms:
    findings = [compare(*pair, config) for pair in zip(windows, references, strict=False)]
    return Alarms(
        len(windows),
        sum(any(finding.drifted for finding in found) for found in findings),
        {name: sum(found[place].drifted for found in findings) for place, name in enumerate(config.monitors)},
    )
