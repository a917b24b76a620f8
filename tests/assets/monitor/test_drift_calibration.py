import pytest
import torch

from assets.monitor.calibration import Alarms, calibrate
from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests
from assets.monitor.loss import bits_per_byte
from resources.errors import InputError

from .conftest import ask_each

RATE = 0.05


@pytest.fixture(scope="module")
def calibration(library, champion):
    """200 disjoint windows of real in-domain questions, and 20 at each share of questions on another subject."""
    torch.set_num_threads(1)
    config = MonitorConfig(false_alarm_rate=RATE, permutations=299, window_requests=50, reference_requests=1000)
    in_domain, shifted = ask_each(library.in_domain, 1)[: 200 * 50 + 1000], ask_each(library.shifted, 2)
    return calibrate(
        Requests(in_domain, bits_per_byte(champion, in_domain)),
        Requests(shifted, bits_per_byte(champion, shifted)),
        config,
        windows=200,
        shifted_windows=20,
    )


def test_alarms_without_drift_are_as_rare_as_the_spec_says_and_not_rarer(calibration):
    assert calibration.in_domain.windows == 200
    assert calibration.in_domain.fits(RATE), calibration
    assert calibration.in_domain.alarms > 0
