import pytest
import torch

from assets.monitor.config import MonitorConfig
from assets.monitor.drift import Requests, compare
from assets.monitor.loss import bits_per_byte
from resources.errors import InputError

from .calibration import calibrate
from .conftest import ask_each

RATE = 0.05
CONFIG = MonitorConfig(false_alarm_rate=RATE, permutations=299, window_requests=22, reference_requests=600)


@pytest.fixture(scope="module")
def requests(library, champion):
    """Real questions: in-domain ones, and ones on another subject."""
    torch.set_num_threads(1)
    texts = ask_each(library.in_domain, 1), ask_each(library.shifted, 2)
    return [Requests(asked, bits_per_byte(champion, asked)) for asked in texts]


@pytest.fixture(scope="module")
def calibration(requests):
    return calibrate(*requests, CONFIG, windows=200, shifted_windows=10)


def test_alarms_without_drift_are_as_rare_as_the_spec_says_and_not_rarer(calibration):
    assert calibration.in_domain.windows == 200
    assert calibration.in_domain.fits(RATE), calibration.in_domain
    assert calibration.in_domain.alarms > 0


def test_every_monitor_has_its_share_of_the_false_alarms(calibration):
    assert all(alarms <= 12 for alarms in calibration.in_domain.by_monitor.values()), calibration.in_domain


def test_the_more_of_a_window_is_on_another_subject_the_surer_the_alarm(calibration):
    alarms = [calibration.shifted[mix].alarms for mix in (0.1, 0.25, 0.5, 1.0)]
    assert alarms == sorted(alarms), calibration.shifted
    assert alarms[2:] == [10, 10]


def test_a_tenth_of_a_full_window_on_another_subject_is_seen_at_one_false_alarm_in_a_thousand(requests):
    config = MonitorConfig(permutations=2_999, reference_requests=2_000)
    found = calibrate(*requests, config, windows=2, shifted_windows=2, mixes=(0.1,))
    assert (found.in_domain.alarms, found.shifted[0.1].alarms) == (0, 2)


def test_the_seed_decides_the_outcome(requests):
    in_domain, shifted = requests
    window = Requests(shifted.texts[:20], shifted.bits_per_byte[:20])
    reference = Requests(in_domain.texts[:200], in_domain.bits_per_byte[:200])
    assert compare(window, reference, CONFIG) == compare(window, reference, CONFIG)


def test_too_few_requests_are_refused(requests):
    in_domain, shifted = requests
    with pytest.raises(InputError, match="use fewer or smaller windows"):
        calibrate(in_domain, shifted, CONFIG, windows=10_000, shifted_windows=1)
