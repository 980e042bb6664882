"""Notes what has to be told, with the event that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

from pydantic_core import to_json

from notifier.domain.preferences import Channel, Preferences, due_at, escalation_due_at, next_allowed
from notifier.domain.webhooks import data_of
from notifier.notifying.calls import event_place
from notifier.storage.duty import arrangements_of
from notifier.storage.notices import NewNotice, preferences_of
from notifier.storage.webhook_deliveries import NewEvent, queue
from notifier.storage.webhook_endpoints import Endpoint, wanted_by
from shared_database.sealing import Sealer
from shared_messaging import Batch, Record
from shared_schemas.ids import content_id
from shared_schemas.staff_notifications import (
    EscalationAnnouncedV1,
    StaffEvent,
    StaffNotifiedV1,
    WebhookDisabledV1,
)

CHANNELS: tuple[Channel, ...] = get_args(Channel)


async def queue_telling(batch: Batch, sealer: Sealer | None, now: datetime) -> bool:
    """Note which webhook endpoints are owed which events, and which people have to be told of what; whether there are any.

    Events are kept for endpoints that are disabled, too, so that they can be replayed; what happened before a practice
    had an endpoint is kept for nobody. Without a `sealer` there are no webhooks.
    """
    practices = {record.practice_id for record in batch.records}
    endpoints = await wanted_by(batch.connection, practices) if sealer is not None else []
    preferences = await preferences_of(batch.connection, practices)
    if not endpoints and not preferences:
        return False
    events: list[NewEvent] = []
    owed: list[tuple[str, str, str]] = []
    notices: list[NewNotice] = []
    for record, event in batch.events(StaffEvent):
        at = _time_of(record)
        wanting = _wanting(endpoints, event, at)
        if wanting and sealer is not None:
            events.append(_kept(event, sealer, at))
            owed += [(one.practice_id, one.endpoint_id, event.ce_id) for one in wanting if one.disabled_at is None]
        match event:
            case StaffNotifiedV1():
                notices += _notices(event, preferences, at)
            case EscalationAnnouncedV1():
                notices += _of_escalation(
                    event,
                    preferences,
                    at,
                    through_quiet_hours=await _rings_through(batch, event.practice_id),
                )
            case WebhookDisabledV1():
                notices += _of_endpoint(event, preferences, at)
            case _:
                pass
    if events or notices:
        await queue(batch, events, owed, now, notices)
    return bool(owed)


def _kept(event: StaffEvent, sealer: Sealer, at: datetime) -> NewEvent:
    data = data_of(event)
    talk = data.get("conversation_id")
    sealed = sealer.seal(to_json(data), *event_place(event.practice_id, event.ce_id))
    return NewEvent(
        event.practice_id, event.ce_id, event.stream_event, at, sealed, str(talk) if talk is not None else None
    )


def _wanting(endpoints: Sequence[Endpoint], event: StaffEvent, at: datetime) -> list[Endpoint]:
    return [
        one
        for one in endpoints
        if one.practice_id == event.practice_id and event.stream_event in one.events and one.created_at <= at
    ]


def _notices(
    event: StaffNotifiedV1, preferences: Mapping[tuple[str, str], Preferences], at: datetime
) -> list[NewNotice]:
    found: list[NewNotice] = []
    for one in event.notifications:
        for channel, wanted in _wanted(preferences, event, one.staff_id):
            due = due_at(wanted, channel, event.listed, at, urgent=event.urgent)
            if due is not None:
                found.append(
                    NewNotice(event.practice_id, one.notification_id, channel, one.staff_id, event.urgent, at, due)
                )
    return found


def _of_escalation(
    event: EscalationAnnouncedV1,
    preferences: Mapping[tuple[str, str], Preferences],
    at: datetime,
    *,
    through_quiet_hours: bool,
) -> list[NewNotice]:
    """Everybody whom a step rings, once for each escalation: an event has the steps before it, too."""
    one, found = event.escalation, list[NewNotice]()
    rung = dict.fromkeys(staff_id for step in one.steps for staff_id in step.staff_ids) if one.ended is None else {}
    for staff_id in rung:
        notice_id = content_id("escalation-notice", event.practice_id, one.escalation_id, staff_id)
        for channel, wanted in _wanted(preferences, event, staff_id):
            due = escalation_due_at(wanted, channel, at, through_quiet_hours=through_quiet_hours)
            if due is not None:
                notice = NewNotice(event.practice_id, notice_id, channel, staff_id, urgent=True, made_at=at, due_at=due)
                found.append(replace(notice, kind="escalation", about_id=one.escalation_id))
    return found


def _of_endpoint(
    event: WebhookDisabledV1, preferences: Mapping[tuple[str, str], Preferences], at: datetime
) -> list[NewNotice]:
    """An e-mail to each administrator who takes any, in their hours: it is for whoever sees to it, and rings nobody."""
    found: list[NewNotice] = []
    for staff_id in event.visible_to:
        wanted = preferences.get((event.practice_id, staff_id))
        if wanted is None or wanted.email is None:
            continue
        due = next_allowed(wanted.email.hours, wanted.quiet_hours, ZoneInfo(wanted.time_zone), at)
        if due is not None:
            notice_id = content_id("endpoint-notice", event.ce_id, staff_id)
            notice = NewNotice(event.practice_id, notice_id, "email", staff_id, urgent=False, made_at=at, due_at=due)
            found.append(replace(notice, kind="endpoint", about_id=event.endpoint_id))
    return found


def _wanted(
    preferences: Mapping[tuple[str, str], Preferences], event: StaffEvent, staff_id: str
) -> list[tuple[Channel, Preferences]]:
    wanted = preferences.get((event.practice_id, staff_id))
    return [(channel, wanted) for channel in CHANNELS] if wanted is not None else []


async def _rings_through(batch: Batch, practice_id: str) -> bool:
    """Whether the practice has escalations ring through quiet hours."""
    found = (await arrangements_of(batch.connection, [practice_id])).get(practice_id)
    return found is not None and found.ladder.through_quiet_hours


def _time_of(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
