"""When people are on duty, by the clock on the wall of wherever they are."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from notifier.domain.duty import Absence, Duty, DutyTimes, PracticeHours, Shift, after_open_time

NEW_YORK = "America/New_York"
WEEK = ["mon", "tue", "wed", "thu", "fri"]
SPLIT = [{"days": WEEK, "start": "08:00", "end": "12:00"}, {"days": WEEK, "start": "13:30", "end": "17:00"}]


def at(text: str, zone: str = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def duty(people: dict[str, Any] | None = None, **hours: Any) -> Duty:  # noqa: ANN401 - JSON
    return Duty(
        PracticeHours.model_validate({"time_zone": NEW_YORK, **hours}),
        {staff_id: DutyTimes.model_validate(times) for staff_id, times in (people or {}).items()},
    )


@pytest.mark.parametrize(
    ("moment", "is_rung"),
    [
        ("2026-11-25T07:59:59", False), ("2026-11-25T08:00", True), ("2026-11-25T11:59:59", True),
        ("2026-11-25T12:00", False), ("2026-11-25T13:30", True), ("2026-11-25T17:00", False), ("2026-11-28T09:00", False),
    ],
)  # fmt: skip
def test_a_split_shift_rings_within_its_two_parts_on_its_days(moment: str, is_rung: bool) -> None:  # noqa: FBT001
    assert duty({"mia": {"shifts": SPLIT}}).is_on_duty("mia", at(moment)) is is_rung


def test_who_has_no_times_is_on_duty_whenever_the_practice_is_open_and_always_where_it_has_no_hours() -> None:
    night = at("2026-11-25T03:00")

    assert duty().is_on_duty("mia", night)
    assert not duty(open=SPLIT).is_on_duty("mia", night)
    assert duty(open=SPLIT).is_on_duty("mia", at("2026-11-25T09:00"))


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    nights = duty({"nia": {"shifts": [{"days": ["fri"], "start": "22:00", "end": "06:00"}]}})

    assert nights.is_on_duty("nia", at("2026-11-28T05:59"))
    assert not nights.is_on_duty("nia", at("2026-11-27T05:59"))
    assert not nights.is_on_duty("nia", at("2026-11-28T06:00"))


def test_holidays_and_days_off_take_the_shifts_that_begin_on_them() -> None:
    found = duty(
        {
            "mia": {"shifts": SPLIT},
            "sam": {"shifts": SPLIT, "works_on_holidays": True},
            "fay": {"away": [{"first": "2026-11-25", "last": "2026-11-27"}]},
        },
        holidays=["2026-11-26"],
    )  # fmt: skip

    assert found.on_duty(("mia", "sam", "fay"), at("2026-11-26T09:00")) == ("sam",)
    assert found.on_duty(("mia", "sam", "fay"), at("2026-11-27T09:00")) == ("mia", "sam")
    assert found.is_on_duty("fay", at("2026-11-28T00:00"))


def test_everybody_lives_by_their_own_zone() -> None:
    found = duty({"mia": {"shifts": SPLIT}, "far": {"shifts": SPLIT, "time_zone": "America/Los_Angeles"}})

    assert found.on_duty(("mia", "far"), at("2026-11-25T08:30")) == ("mia",)
    assert found.on_duty(("mia", "far"), at("2026-11-25T12:30")) == ("far",)


@pytest.mark.parametrize(
    ("start", "end", "day", "hours"),
    [
        ("22:00", "06:00", "2026-03-07", 7),  # the clocks skip an hour of the night
        ("22:00", "06:00", "2026-10-31", 9),  # and give it back
        ("08:00", "17:00", "2026-03-08", 9),
        ("01:30", "03:00", "2026-11-01", 2.5),  # from the first half past one
        ("00:00", "01:30", "2026-11-01", 2.5),  # to the second one
        ("02:30", "05:00", "2026-03-08", 1.5),  # half past two does not occur: it is half past three
    ],
)
def test_a_shift_is_as_long_as_the_clocks_make_it(start: str, end: str, day: str, hours: float) -> None:
    shift = Shift.model_validate({"days": ["sat", "sun"], "start": start, "end": end})
    stretch = shift.on(datetime.fromisoformat(day).date(), ZoneInfo(NEW_YORK))

    assert stretch is not None
    assert stretch[1] - stretch[0] == timedelta(hours=hours)


def test_open_time_counts_only_while_the_practice_is_open() -> None:
    hours = duty(open=SPLIT, holidays=["2026-11-26"]).hours

    assert after_open_time(hours, at("2026-11-25T11:50"), timedelta(minutes=15)) == at("2026-11-25T13:35")
    assert after_open_time(hours, at("2026-11-25T20:00"), timedelta(minutes=30)) == at("2026-11-27T08:30")
    assert after_open_time(duty(open=[]).hours, at("2026-11-25T20:00"), timedelta(minutes=1)) is None


def test_open_time_goes_on_through_the_night_in_which_the_clocks_change() -> None:
    hours = duty(open=[{"days": ["sat"], "start": "23:00", "end": "05:00"}]).hours

    assert after_open_time(hours, at("2026-03-07T23:00"), timedelta(hours=4)) == at("2026-03-08T04:00")
    assert after_open_time(hours, at("2026-10-31T23:00"), timedelta(hours=4)) == at("2026-11-01T02:00")


@given(
    minutes=st.integers(1, 5_000),
    since=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - zoned by the strategy
)
def test_open_time_is_never_shorter_than_the_time_that_passed_and_ends_while_open(
    minutes: int, since: datetime
) -> None:
    found = duty(open=SPLIT)
    end = after_open_time(found.hours, since, timedelta(minutes=minutes))

    assert end is not None
    assert end - since >= timedelta(minutes=minutes)
    assert found.is_on_duty("anybody", end - timedelta(microseconds=1))


def test_a_substitute_who_is_off_duty_hands_on_to_their_own() -> None:
    away = {"away": [{"first": "2026-11-25", "last": "2026-11-25"}]}
    found = duty({"mia": {**away, "substitute": "sam"}, "sam": {**away, "substitute": "fay"}, "nia": away})
    moment = at("2026-11-25T10:00")

    assert found.substitutes(("mia", "nia"), moment) == ("fay",)
    assert found.substitutes(("mia", "fay"), moment) == ()
    assert found.substitutes(("mia",), at("2026-11-26T10:00")) == ()


def test_substitutes_cannot_go_round_in_a_circle() -> None:
    found = duty({"mia": {"substitute": "sam"}, "sam": {"substitute": "fay"}})

    with pytest.raises(ValueError, match="circle"):
        found.with_times("fay", DutyTimes(substitute="mia"))
    with pytest.raises(ValueError, match="circle"):
        found.with_times("fay", DutyTimes(substitute="fay"))
    assert found.with_times("fay", DutyTimes(substitute="nia")).line_of("mia") == ("sam", "fay", "nia")


@pytest.mark.parametrize(
    "times",
    [
        {"time_zone": "Mars/Olympus"}, {"time_zone": "../etc/passwd"},
        {"shifts": [{"days": [], "start": "01:00", "end": "02:00"}]},
        {"shifts": [{"days": ["mon"], "start": "08:00+01:00", "end": "12:00"}]}, {"shift": []},
        {"away": [{"first": "2026-11-25", "last": "2026-11-24"}]},
    ],
)  # fmt: skip
def test_times_that_make_no_sense_are_refused(times: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DutyTimes.model_validate(times)


def test_days_off_include_the_first_and_the_last() -> None:
    (off,) = DutyTimes.model_validate({"away": [{"first": "2026-11-25", "last": "2026-11-25"}]}).away

    assert off == Absence.model_validate({"first": "2026-11-25", "last": "2026-11-25"})
    assert not duty({"mia": {"away": [off.model_dump()]}}).is_on_duty("mia", at("2026-11-25T00:00"))
