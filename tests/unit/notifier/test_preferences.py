"""When a person is told: by inbox and hour, and not in quiet hours."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from notifier.domain.preferences import DAYS, Channel, Hours, Preferences, due_at, escalation_due_at, next_allowed
from shared_schemas.staff_notifications import Listing

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "since": "08:00", "until": "18:00"}
NIGHT = {"days": list(DAYS), "since": "22:00", "until": "07:00"}
NURSES = Listing.model_validate({"status": "open", "destination": {"kind": "shared_inbox", "id": "nurses"}})

clocks = st.times().map(lambda clock: clock.replace(minute=clock.minute // 15 * 15, second=0, microsecond=0))
hours = st.builds(
    Hours,
    days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple),
    since=clocks,
    until=clocks,
)


def local(day: int, clock: str) -> datetime:
    """A day of November 2026 in New York; the 25th is a Wednesday."""
    return datetime.combine(datetime(2026, 11, day, tzinfo=UTC).date(), time.fromisoformat(clock), NEW_YORK)


def due(wish: dict[str, Any], at: datetime, *, urgent: bool = False, **more: Any) -> datetime | None:  # noqa: ANN401
    preferences = Preferences.model_validate({"time_zone": "America/New_York", "push": wish} | more)
    return due_at(preferences, "push", NURSES, at, urgent=urgent)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (local(25, "10:00"), local(25, "10:00")),
        (local(25, "07:59"), local(25, "08:00")),
        (local(25, "18:00"), local(26, "08:00")),
        (local(27, "23:00"), local(30, "08:00")),
    ],
    ids=["in them", "before", "at their end", "on a Friday night"],
)
def test_what_comes_outside_a_persons_hours_is_told_when_they_begin(at: datetime, told: datetime) -> None:
    assert due({"hours": [OFFICE]}, at) == told


def test_what_comes_in_quiet_hours_is_told_afterwards() -> None:
    assert due({}, local(25, "23:30"), quiet_hours=[NIGHT]) == local(26, "07:00")
    assert due({"hours": [OFFICE]}, local(25, "23:30"), quiet_hours=[NIGHT]) == local(26, "08:00")


def test_an_urgent_message_is_told_at_once_unless_the_person_wants_otherwise() -> None:
    at = local(25, "23:30")

    assert due({"wait": "PT1H"}, at, urgent=True, quiet_hours=[NIGHT]) == at
    assert due({}, at, urgent=True, quiet_hours=[NIGHT], urgent_always=False) == local(26, "07:00")


def test_only_the_inboxes_that_a_person_names_are_told_of() -> None:
    at = local(25, "10:00")

    assert due({"inboxes": ["shared:nurses"]}, at) == at
    assert due({"inboxes": ["unassigned"]}, at) is None


def test_hours_that_are_all_quiet_tell_nothing() -> None:
    assert due({"hours": [OFFICE]}, local(25, "10:00"), quiet_hours=[OFFICE | {"until": "18:30"}]) is None


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2026, 3, 8, 1, tzinfo=NEW_YORK), datetime(2026, 3, 8, 7, tzinfo=UTC)),
        (datetime(2026, 11, 1, 0, tzinfo=NEW_YORK), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
    ids=["the clock skips it", "the clock shows it twice"],
)
def test_quiet_hours_go_by_the_clock_on_the_wall_when_it_changes(at: datetime, told: datetime) -> None:
    quiet = Hours(days=DAYS, since=time(0), until=time(2, 30) if at.month == 3 else time(1, 30))
    if at.month == 11:
        at = datetime(2026, 11, 1, 1, 10, tzinfo=NEW_YORK).replace(fold=1)

    assert next_allowed((), [quiet], NEW_YORK, at) == told


@given(st.lists(hours, max_size=3), st.lists(hours, max_size=2), st.integers(0, 14 * 24 * 4))
def test_the_moment_is_the_first_that_is_allowed(wanted: list[Hours], quiet: list[Hours], quarters: int) -> None:
    """Compared with trying every quarter of an hour."""
    at = datetime(2026, 11, 9, tzinfo=UTC) + timedelta(minutes=15 * quarters)

    def is_allowed(moment: datetime) -> bool:
        wall = moment.astimezone(NEW_YORK)
        return (not wanted or any(one.has(wall) for one in wanted)) and not any(one.has(wall) for one in quiet)

    tried = (at + timedelta(minutes=15 * step) for step in range(7 * 24 * 4))
    assert next_allowed(wanted, quiet, NEW_YORK, at) == next(filter(is_allowed, tried), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"}, {"email": {"address": "nobody"}}, {"push": {"wait": "P2D"}}, {"telegram": {}},
        {"email": {"address": "a@example.org\nBcc: b@example.org"}},
    ],
)  # fmt: skip
def test_preferences_that_cannot_be_kept_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Preferences.model_validate(wrong)


def test_an_escalation_waits_for_the_end_of_quiet_hours_unless_the_practice_has_it_ring_through_them() -> None:
    person = Preferences.model_validate({"push": {"inboxes": [], "wait": "PT30M"}, "quiet_hours": [NIGHT]})
    noon, late = datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 25, 23, tzinfo=UTC)

    def due(channel: Channel, at: datetime, *, through: bool = False) -> datetime | None:
        return escalation_due_at(person, channel, at, through_quiet_hours=through)

    assert due("push", noon) == noon
    assert due("push", late) == datetime(2026, 11, 26, 7, tzinfo=UTC)
    assert due("push", late, through=True) == late
    assert due("email", late, through=True) is None
