import pytest
from pydantic import ValidationError

from assets.config import field_descriptions
from assets.monitor.asset import drift_report, reference
from assets.monitor.config import MonitorConfig


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"store_prompts": False}, "leaves the monitors nothing to read"),
        ({"permutations": 500}, "set at least 2999"),
        ({"monitors": ("vocabulary", "vocabulary")}, "names one twice"),
        ({"monitors": ("guess",)}, "monitors"),
        ({"windows": 3}, "windows"),
    ],
)
def test_what_cannot_be_is_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        MonitorConfig(**changes)


def test_without_monitors_no_text_need_be_stored():
    assert MonitorConfig(store_prompts=False, monitors=()).monitors == ()


def test_every_field_is_described():
    assert field_descriptions(MonitorConfig).keys() == MonitorConfig.model_fields.keys()


def test_how_requests_are_logged_remakes_neither_reference_nor_reports():
    def keys(**changes: object) -> list[object]:
        config = MonitorConfig(**changes)
        return [stage.config_key(stage.config) for stage in (reference(config, "finetuned"), drift_report(config))]

    assert keys(store_completions=False, window_requests=50) == keys()
    assert keys(mask=("email",)) != keys()
