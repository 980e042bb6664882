"""When the people of a practice are on duty: who is rung, and who merely sees.

Times are by the clock on the wall of a time zone. A start that occurs twice is the first of the two, an end the second;
what the clocks skip is moved on by as much as they skip.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from shared_schemas.values import Id, Text, Value

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DAY = timedelta(days=1)
HORIZON = 400 * DAY
"""A practice that opens no more within this time is closed for good."""

Stretch = tuple[datetime, datetime]
"""From the first instant up to the second, which is outside."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this name") from None
    return name


def _on_the_wall(at: time) -> time:
    if at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError("hours and minutes, without a zone")
    return at


TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
"""A name of the IANA database, e.g. `America/New_York`."""
WallClock = Annotated[time, AfterValidator(_on_the_wall)]


class _Form(Value):
    model_config = ConfigDict(extra="forbid")


class Shift(_Form):
    """The same time on some days of the week. An end that is not after the start is on the next day."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    start: WallClock
    end: WallClock

    def on(self, day: date, zone: ZoneInfo) -> Stretch | None:
        """The stretch that begins on this day; None on other days of the week, and where the clocks skip all of it."""
        if WEEKDAYS[day.weekday()] not in self.days:
            return None
        last = day if self.end > self.start else day + DAY
        start = datetime.combine(day, self.start, zone).astimezone(UTC)
        end = max(datetime.combine(last, self.end.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
        return (start, end) if start < end else None


Shifts = Annotated[tuple[Shift, ...], Field(max_length=50)]


class Absence(_Form):
    """Days off, the first and the last included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("the last day is before the first")
        return self


class DutyTimes(_Form):
    """When one person is on duty, and who stands in for them otherwise."""

    shifts: Shifts | None = None
    """Null: whenever the practice is open."""
    time_zone: TimeZone | None = None
    """Null: the practice's."""
    works_on_holidays: bool = False
    away: Annotated[tuple[Absence, ...], Field(max_length=200)] = ()
    """A shift that begins on such a day is not worked."""
    substitute: Id | None = None


class PracticeHours(_Form):
    """What holds for the practice as a whole."""

    time_zone: TimeZone = "UTC"
    open: Shifts | None = None
    """Null: day and night, holidays included."""
    holidays: Annotated[tuple[date, ...], Field(max_length=500)] = ()
    auto_reply: Annotated[Text, Field(min_length=1, max_length=1_000)] | None = None
    """What a patient is answered, at most once in twelve hours, when nobody is on duty."""

    def open_from(self, since: datetime) -> Iterator[Stretch]:
        """The stretches in which the practice is open from `since` on, in order; they do not overlap."""
        if self.open is None:
            yield since, datetime.max.replace(tzinfo=UTC)
            return
        zone = ZoneInfo(self.time_zone)
        reached, day = since, since.astimezone(zone).date() - DAY
        while day - since.date() <= HORIZON:
            for start, end in sorted(_beginning_on(day, self.open, zone)) if day not in self.holidays else ():
                if end > reached:
                    yield max(start, reached), end
                    reached = end
            day += DAY


@dataclass(frozen=True, slots=True)
class Duty:
    """Everybody's duty times. Who has none set is on duty whenever the practice is open."""

    hours: PracticeHours
    people: Mapping[str, DutyTimes]

    def is_on_duty(self, staff_id: str, at: datetime) -> bool:
        """Whether this person is rung at that moment."""
        times = self.people.get(staff_id, DutyTimes())
        zone = ZoneInfo(times.time_zone or self.hours.time_zone)
        today = at.astimezone(zone).date()
        shifts = times.shifts if times.shifts is not None else self.hours.open
        if shifts is None:
            return not _is_away(times, today)
        return any(
            start <= at < end
            for day in (today - DAY, today)
            if not _is_away(times, day) and (times.works_on_holidays or day not in self.hours.holidays)
            for start, end in _beginning_on(day, shifts, zone)
        )

    def on_duty(self, staff_ids: Iterable[str], at: datetime) -> tuple[str, ...]:
        """Those of them who are on duty."""
        return tuple(staff_id for staff_id in staff_ids if self.is_on_duty(staff_id, at))

    def substitutes(self, staff_ids: Collection[str], at: datetime) -> tuple[str, ...]:
        """Who stands in for those of them who are off duty: the next on duty in each one's line of substitutes."""
        found = (self._substitute(one, at) for one in staff_ids if not self.is_on_duty(one, at))
        return tuple(dict.fromkeys(one for one in found if one is not None and one not in staff_ids))

    def _substitute(self, staff_id: str, at: datetime) -> str | None:
        return next((one for one in self.line_of(staff_id) if self.is_on_duty(one, at)), None)

    def line_of(self, staff_id: str) -> tuple[str, ...]:
        """A person's substitute, that one's substitute, and so on. A line that comes back to somebody ends there."""
        line: dict[str, None] = {}
        while (staff_id := self.people.get(staff_id, DutyTimes()).substitute or "") and staff_id not in line:
            line[staff_id] = None
        return tuple(line)

    def with_times(self, staff_id: str, times: DutyTimes) -> "Duty":
        """The same with other times for one person. Raises ValueError when the substitutes would go round in a circle."""
        changed = Duty(self.hours, {**self.people, staff_id: times})
        if staff_id in changed.line_of(staff_id):
            raise ValueError("the substitutes would go round in a circle")
        return changed


def after_open_time(hours: PracticeHours, since: datetime, wanted: timedelta) -> datetime | None:
    """When the practice has been open for `wanted` since an instant; None when it opens no more."""
    for start, end in hours.open_from(since):
        if end - start >= wanted:
            return start + wanted
        wanted -= end - start
    return None


def _beginning_on(day: date, shifts: Iterable[Shift], zone: ZoneInfo) -> list[Stretch]:
    return [stretch for stretch in (shift.on(day, zone) for shift in shifts) if stretch is not None]


def _is_away(times: DutyTimes, day: date) -> bool:
    return any(one.first <= day <= one.last for one in times.away)
