"""When, and of what, a person is told who is not looking: preferences by inbox and hour, and quiet hours."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from shared_schemas.staff_notifications import Listing
from shared_schemas.values import Value

Channel = Literal["push", "email"]
"""How somebody is told besides the staff stream, which carries everything at once."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_LOOK = 8
"""Days in which every week's hours have come once."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("this time zone is not known: take one like America/New_York") from error
    return name


class Hours(Value, extra="forbid"):
    """Hours of the week, by the clock on the wall; `until` before `since`, or the same, is on the next day."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)]
    since: time
    until: time

    def has(self, at: datetime) -> bool:
        """Whether a time on the wall is in them: from `since` on, up to `until`."""
        clock, today, yesterday = at.time(), DAYS[at.weekday()], DAYS[at.weekday() - 1]
        if self.since < self.until:
            return today in self.days and self.since <= clock < self.until
        return (today in self.days and clock >= self.since) or (yesterday in self.days and clock < self.until)


class ChannelWish(Value, extra="forbid"):
    """What a person wants to be told of through one channel."""

    inboxes: Literal["all"] | Annotated[tuple[str, ...], Field(max_length=200)] = "all"
    """`unassigned`, `assigned` (to the person), `shared:<id>`: where the conversation is as the message comes."""
    hours: Annotated[tuple[Hours, ...], Field(max_length=50)] = ()
    """When; empty: at any time."""
    wait: Annotated[timedelta, Field(ge=timedelta(), le=timedelta(hours=24))] = timedelta()
    """How long a message may stay unseen before the person is told of it (ISO 8601)."""


class EmailWish(ChannelWish):
    """E-mails, and where they go. What comes while one waits is in the same one."""

    address: Annotated[str, Field(max_length=254, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+$")]
    wait: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(hours=24))] = timedelta(minutes=15)


class Preferences(Value, extra="forbid"):
    """One person's. A channel that is null tells nothing."""

    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    push: ChannelWish | None = None
    email: EmailWish | None = None
    quiet_hours: Annotated[tuple[Hours, ...], Field(max_length=50)] = ()
    """What comes then is told afterwards, if it is still unseen."""
    urgent_always: bool = True
    """Messages with an emergency word are told at once, whatever the hour."""

    def wish_for(self, channel: Channel) -> ChannelWish | None:
        """What the person wants of this channel."""
        return self.push if channel == "push" else self.email


def due_at(
    preferences: Preferences, channel: Channel, listed: Listing | None, at: datetime, *, urgent: bool
) -> datetime | None:
    """When to tell a person of a message that came `at` a time, if it is unseen by then; None: not at all."""
    wish = preferences.wish_for(channel)
    if wish is None or (listed is not None and wish.inboxes != "all" and inbox_of(listed) not in wish.inboxes):
        return None
    if urgent and preferences.urgent_always:
        return at
    return next_allowed(wish.hours, preferences.quiet_hours, ZoneInfo(preferences.time_zone), at + wish.wait)


def escalation_due_at(
    preferences: Preferences, channel: Channel, at: datetime, *, through_quiet_hours: bool
) -> datetime | None:
    """When to tell a person whom an escalation rings; None: not at all.

    The message has waited already, so nobody waits again, and it rings this person whatever inbox it is in. It respects
    their hours, unless the practice has it ring through them.
    """
    wish = preferences.wish_for(channel)
    if wish is None or through_quiet_hours:
        return at if wish is not None else None
    return next_allowed(wish.hours, preferences.quiet_hours, ZoneInfo(preferences.time_zone), at)


def next_allowed(hours: Sequence[Hours], quiet: Sequence[Hours], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The first moment from `at` on that is in the hours, if there are any, and in no quiet ones; None: there is none."""

    def is_allowed(moment: datetime) -> bool:
        wall = moment.astimezone(zone)
        return (not hours or any(one.has(wall) for one in hours)) and not any(one.has(wall) for one in quiet)

    if is_allowed(at):
        return at
    today = at.astimezone(zone).date()
    edges = {clock for one in (*hours, *quiet) for clock in (one.since, one.until)} | {time()}
    days = (today + timedelta(days=number) for number in range(LONGEST_LOOK))
    moments = (moment for day in days for edge in edges for moment in _moments(day, edge, zone))
    return min((moment for moment in moments if moment > at and is_allowed(moment)), default=None)


def inbox_of(listed: Listing) -> str:
    """The inbox that a conversation is in, as its people name it."""
    kind = listed.destination.kind
    if kind == "shared_inbox":
        return f"shared:{listed.destination.id}"
    return "assigned" if kind == "member" else "unassigned"


def _moments(day: date, clock: time, zone: ZoneInfo) -> set[datetime]:
    """When a clock on the wall shows a time: twice when it is put back; the moment of the jump when that skips it."""
    early, late = sorted(datetime.combine(day, clock, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if early.astimezone(zone).time() == clock:
        return {early, late}
    while early.astimezone(zone).utcoffset() != late.astimezone(zone).utcoffset():
        early += timedelta(minutes=1)
    return {early}
