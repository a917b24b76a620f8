"""The calendar: which dates are snapshots, and that Dagster sees the same."""

import pytest
from pydantic import ValidationError

from pipelines.calendar import Calendar
from resources.errors import SpecError


def test_a_closed_calendar_has_the_dates_it_lists_and_no_others():
    for dates in (("2026-01-05",), ("2026-01-05", "2026-01-12"), ("2026-01-05", "2026-02-02", "2026-02-09")):
        calendar = Calendar(snapshots=dates)
        assert calendar.dates() == dates
        assert tuple(calendar.partitions().get_partition_keys()) == dates


def test_an_open_calendar_reaches_up_to_now_without_its_exclusions():
    calendar = Calendar(start="2026-01-05", exclusions=("2026-01-12",))
    dates = calendar.dates()
    assert dates[:3] == ("2026-01-05", "2026-01-19", "2026-01-26")
    assert list(dates) == sorted(dates)


def test_another_rhythm_is_a_cron_line():
    calendar = Calendar(snapshots=("2026-01-01", "2026-03-01"), cron="0 0 1 * *")
    assert tuple(calendar.partitions().get_partition_keys()) == ("2026-01-01", "2026-03-01")


@pytest.mark.parametrize("date", ["2026-1-5", "05.01.2026", "2026-02-30", "soon", ""])
@pytest.mark.parametrize("field", ["snapshots", "exclusions", "start"])
def test_what_is_no_date_is_refused_with_how_to_write_one(date, field):
    with pytest.raises(ValidationError, match="is no date; write it as 2026-01-05"):
        Calendar(**{field: date if field == "start" else (date,)})


@pytest.mark.parametrize("dates", [("2026-01-12", "2026-01-05"), ("2026-01-05", "2026-01-05")])
def test_dates_are_listed_once_and_oldest_first(dates):
    with pytest.raises(ValidationError, match="list each date once, oldest first"):
        Calendar(snapshots=dates)


def test_exclusions_belong_to_an_open_calendar():
    with pytest.raises(ValidationError, match="a closed one lists its snapshots"):
        Calendar(snapshots=("2026-01-05",), exclusions=("2026-01-12",))


@pytest.mark.parametrize("dates", [("2026-01-06",), ("2026-01-05", "2026-01-13")])
def test_a_snapshot_between_the_ticks_is_refused(dates):
    with pytest.raises(SpecError, match=f"{dates[-1]} is no tick of '0 0 \\* \\* 1'; change one of the two"):
        Calendar(snapshots=dates).partitions()


@pytest.mark.parametrize("dates", [(), ("2026-01-05",)])
def test_a_line_that_is_no_cron_line_is_refused(dates):
    with pytest.raises(SpecError, match=r"calendar.cron: 'weekly-ish' is no cron line"):
        Calendar(snapshots=dates, cron="weekly-ish").partitions()
