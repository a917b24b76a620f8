"""The calendar of crawl snapshots: which dates are partitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, field_validator, model_validator

from assets.config import Config
from resources.errors import SpecError

if TYPE_CHECKING:
    import dagster as dg

DATE = "%Y-%m-%d"
DAYS_AHEAD = 800


def _checked(date: str) -> str:
    try:
        is_padded = _moment(date).strftime(DATE) == date
    except ValueError:
        is_padded = False
    if not is_padded:
        raise ValueError(f"{date!r} is no date; write it as 2026-01-05")
    return date


Date = Annotated[str, AfterValidator(_checked)]


class Calendar(Config):
    """A closed list of snapshot dates, or an open calendar that has one at each tick of a cron line."""

    snapshots: tuple[Date, ...] = ()
    """The dates of a closed calendar, oldest first, each a tick of `cron`; empty for an open one."""
    start: Date = "2026-01-05"
    """First date of an open calendar."""
    cron: str = "0 0 * * 1"
    """When snapshots are taken, as a cron line in UTC (weekly on Mondays by default)."""
    exclusions: tuple[Date, ...] = ()
    """Dates of an open calendar without a crawl."""

    @field_validator("snapshots", "exclusions")
    @classmethod
    def _are_in_order(cls, dates: tuple[str, ...]) -> tuple[str, ...]:
        if list(dates) != sorted(set(dates)):
            raise ValueError("list each date once, oldest first")
        return dates

    @model_validator(mode="after")
    def _is_closed_or_open(self) -> Self:
        if self.snapshots and self.exclusions:
            raise ValueError("exclusions belong to an open calendar; a closed one lists its snapshots")
        return self

    def partitions(self) -> dg.TimeWindowPartitionsDefinition:
        """The partitions as Dagster has them: time windows, since only those may depend on their predecessors.

        Raises:
            SpecError: if `cron` is no cron line, or a snapshot of a closed calendar none of its ticks.
        """
        import dagster as dg

        try:
            if not self.snapshots:
                return self._windows(self.start, None, self.exclusions)
            far = _moment(self.snapshots[-1]) + timedelta(days=DAYS_AHEAD)
            ticks = self._windows(self.snapshots[0], far.strftime(DATE), ()).get_partition_keys()
        except dg.DagsterInvalidDefinitionError as error:
            raise SpecError(f"calendar.cron: {self.cron!r} is no cron line; write it as '0 0 * * 1'") from error
        for date in self.snapshots:
            if date not in ticks:
                raise SpecError(f"calendar.snapshots: {date} is no tick of {self.cron!r}; change one of the two")
        after = next((tick for tick in ticks if tick > self.snapshots[-1]), far.strftime(DATE))
        between = [tick for tick in ticks if tick < after and tick not in self.snapshots]
        return self._windows(self.snapshots[0], after, between)

    def _windows(self, start: str, end: str | None, without: Sequence[str]) -> dg.TimeWindowPartitionsDefinition:
        import dagster as dg

        return dg.TimeWindowPartitionsDefinition(
            start=start,
            end=end,
            fmt=DATE,
            cron_schedule=self.cron,
            end_offset=1,
            exclusions=[_moment(date) for date in without] or None,
        )

    def dates(self) -> tuple[str, ...]:
        """All snapshot dates, oldest first: those listed, or those of an open calendar up to now."""
        return self.snapshots or tuple(self.partitions().get_partition_keys())


def _moment(date: str) -> datetime:
    return datetime.strptime(date, DATE).replace(tzinfo=UTC)
