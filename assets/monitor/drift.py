"""Whether a window of requests is of one kind with the reference: the monitors, and the verdict over all of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.monitor.config import MonitorConfig, MonitorName
from assets.monitor.features import STATISTICS, Array, text_statistics, word_presence
from assets.monitor.permutation import Groups, Statistic, holm, largest, permutation_tests, rank_shifts, word_shifts

RARE = 2  # a word of fewer requests cannot tell two groups apart
DIGITS = 6


@dataclass(frozen=True)
class Requests:
    """What was asked, and the champion's loss on each text in bits per byte."""

    texts: Sequence[str]
    bits_per_byte: Array

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Shift:
    """A feature's mean in the window and in the reference; `deviations` says how far its ranks lie from chance."""

    feature: str
    window: float
    reference: float
    deviations: float


@dataclass(frozen=True)
class Finding:
    """What one monitor found. `drifted` is its verdict at the false-alarm rate that all monitors share."""

    monitor: MonitorName
    statistic: float
    p_value: float
    drifted: bool
    shifts: tuple[Shift, ...]


def compare(window: Requests, reference: Requests, config: MonitorConfig) -> tuple[Finding, ...]:
    """Let each monitor of the spec compare a window with the reference.

    `text_statistics`: the largest shift among length and make-up. `vocabulary`: the word whose share
    of the requests moved most. `model_loss`: the shift of the champion's bits per byte. Holm's rule
    keeps the chance that any of them drifts without drift at `false_alarm_rate`. That is the rate over
    references and windows together: windows compared with one reference share its chance make-up, so
    its own rate may lie above or below, the less so the larger it is beside a window.
    """
    texts = [*window.texts, *reference.texts]
    groups = Groups(len(window), len(reference))
    losses = np.concatenate([window.bits_per_byte, reference.bits_per_byte])
    values: dict[MonitorName, tuple[tuple[str, ...], Array]] = {
        "text_statistics": (STATISTICS, text_statistics(texts)),
        "model_loss": (("bits per byte",), losses[:, None]),
    }

    def statistic(monitor: MonitorName) -> Statistic:
        if monitor != "vocabulary":
            return largest(rank_shifts(values[monitor][1], groups))
        presence, _ = word_presence(texts)
        common = np.asarray(presence.sum(axis=0)).ravel() >= RARE
        return largest(word_shifts(presence[:, common], groups))

    statistics = {monitor: statistic(monitor) for monitor in config.monitors}
    tests = permutation_tests(statistics, groups, config.permutations, _seed(window, config))
    drifted = holm({name: test.p_value for name, test in tests.items()}, config.false_alarm_rate)
    return tuple(
        Finding(
            monitor,
            round(tests[monitor].statistic, DIGITS),
            round(tests[monitor].p_value, DIGITS),
            drifted[monitor],
            _shifts(*values[monitor], groups) if monitor in values else (),
        )
        for monitor in config.monitors
    )


def _seed(window: Requests, config: MonitorConfig) -> int:
    """A seed of each window's own: were relabellings shared, so would be the error of their sampling."""
    texts = "\0".join([str(config.seed), *window.texts]).encode()
    return int.from_bytes(hashlib.blake2b(texts, digest_size=8).digest(), "big")


def _shifts(features: Sequence[str], values: Array, groups: Groups) -> tuple[Shift, ...]:
    """The features that moved, furthest first."""
    deviations = rank_shifts(values, groups)(groups.observed())[0]
    means = values[: groups.window].mean(axis=0), values[groups.window :].mean(axis=0)
    order = np.argsort(-np.abs(deviations), kind="stable")
    return tuple(
        Shift(features[i], *(round(float(column[i]), DIGITS) for column in (*means, deviations))) for i in order
    )
