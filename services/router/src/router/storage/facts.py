"""What is known about the conversations of a batch."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import from_json

from router.domain.facts import (
    Appointment,
    AssignedTo,
    CarriedPlace,
    Conversation,
    Destination,
    Directory,
    InSharedInbox,
    Place,
    StaffId,
    Unassigned,
)
from shared_database import columns, practice_scope
from shared_schemas.practice_management import AppointmentSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

Key = tuple[str, str]
"""Practice and patient."""
AppointmentKey = tuple[str, str, str]
"""Practice, patient and appointment."""

ROUTABLE = ("proposed", "pending", "booked", "arrived", "checked-in")
"""FHIR statuses of appointments that will take place (L5)."""
_CONVERSATIONS_AT_ONCE = 500
_MOST_APPOINTMENTS = 8
"""Of one patient. The next ones are enough: a batch spans seconds, not appointments."""

REPEATABLE = timedelta(days=15)
"""How long after it an event may come again: as long as Kafka keeps it, and a day for providers that repeat webhooks.
Looking back no further keeps the search to a few weeks' tables."""

_KNOWN = """
SELECT asked.practice_id, asked.patient_id, asked.event_id, is_handled, conversation.version IS NOT NULL AS is_known,
    conversation.is_open, destination_kind, destination_id, reason_id, location_id, location_appointment_id, location_as_of,
    provider_id, provider_appointment_id, provider_as_of, last_message_at, unread_practice_message_id, version,
    menu_offered_at, location_outdated, provider_outdated, upcoming.*, patient, practice, settings, locations, providers,
    directory_as_of
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])
    AS asked (practice_id, patient_id, event_id, patient, practice, known_version)
LEFT JOIN LATERAL (SELECT true AS is_handled FROM {handled} LIMIT 1) AS handled ON true
LEFT JOIN LATERAL (
    SELECT * FROM conversation WHERE practice_id = asked.practice_id AND patient_id = asked.patient LIMIT 1
) AS conversation ON true
LEFT JOIN LATERAL (
    SELECT appointment_id, start_at, location_id AS at_location, provider_id AS with_provider, as_of FROM appointment
    WHERE practice_id = asked.practice_id AND patient_id = asked.patient AND start_at > $7 AND status = ANY ($8::text[])
    ORDER BY start_at, appointment_id LIMIT $9
) AS upcoming ON true
LEFT JOIN LATERAL (
    SELECT body AS settings FROM routing_settings
    WHERE practice_id = asked.practice AND is_current AND version <> known_version LIMIT 1
) AS newer ON true
LEFT JOIN LATERAL (
    SELECT locations, providers, as_of AS directory_as_of FROM directory WHERE practice_id = asked.practice LIMIT 1
) AS directory ON true
"""

_LABELS = """
SELECT conversation.*, said.said_of
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS said (practice_id, patient_id, said_of, as_of)
CROSS JOIN LATERAL (
    SELECT * FROM conversation
    WHERE practice_id = said.practice_id AND patient_id = said.patient_id AND is_open AND destination_kind = 'unassigned'
        AND said_of IN (location_appointment_id, provider_appointment_id) LIMIT 1
) AS conversation
WHERE NOT EXISTS (
    SELECT FROM appointment
    WHERE (practice_id, patient_id, appointment_id) = (said.practice_id, said.patient_id, said_of)
        AND appointment.as_of > said.as_of
)
"""

Handled = Literal["decision", "applied_change"]
"""What is kept of an event that was handled: the table."""
_STATEMENTS: Mapping[Handled, str] = {
    "decision": _KNOWN.format(
        handled="""decision
        WHERE practice_id = asked.practice_id AND message_id = asked.event_id AND received_at BETWEEN $10 AND $11"""
    ),
    "applied_change": _KNOWN.format(
        handled="""applied_change
        WHERE practice_id = asked.practice_id AND change_id = asked.event_id AND applied_at BETWEEN $10 AND $11"""
    ),
}


@dataclass(frozen=True, slots=True)
class KnownPractice:
    """A practice's locations and providers, and its current settings if they are not those that were known."""

    newer_settings: RoutingSettingsPublishedV1 | None
    directory: Directory


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient's conversation and the next appointments."""

    conversation: Conversation
    appointments: list[Appointment]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of events, of their patients and of their practices."""

    handled: set[Key]
    """Practice and id of those that were handled before."""
    patients: dict[Key, KnownPatient]
    practices: dict[str, KnownPractice]


async def known_of(
    connection: "Connection",
    events: Sequence[tuple[str, str, str]],
    versions: Mapping[str, int],
    *,
    since: datetime,
    handled: Handled,
    handled_at: Collection[datetime],
) -> Known:
    """What is known of these events (practice, patient, id) before they are handled. One query.

    `versions` are those of the settings that are known already, of every practice. Appointments are told that start after
    `since`. An event may come more than once, and a repetition may say another instant than the one that it was
    `handled_at`, but not a very different one.
    """
    rows = await connection.fetch(
        _STATEMENTS[handled],
        *columns(_asked(events, versions), 6),
        since,
        ROUTABLE,
        _MOST_APPOINTMENTS,
        min(handled_at) - REPEATABLE,
        max(handled_at) + REPEATABLE,
    )
    known = Known(set(), {}, {})
    for row in rows:  # an event has as many as its patient has appointments, and at least one
        practice_id = row["practice_id"]
        if row["is_handled"]:
            known.handled.add((practice_id, row["event_id"]))
        if row["practice"] is not None and practice_id not in known.practices:
            known.practices[practice_id] = KnownPractice(_settings(row), _directory(row))
        if row["patient"] is not None:
            key = practice_id, row["patient"]
            if key not in known.patients:
                known.patients[key] = KnownPatient(_conversation(row), [])
            if row["appointment_id"] is not None:
                known.patients[key].appointments.append(_appointment(row))
    return known


def _asked(
    events: Sequence[tuple[str, str, str]], versions: Mapping[str, int]
) -> list[tuple[str, str, str, str | None, str | None, int]]:
    """The columns of `asked`. Each patient and each practice is told with one of its events."""
    of_patient = {event[:2]: event for event in events}
    of_practice = {event[0]: event for event in events}
    return [
        (
            *event,
            event[1] if event is of_patient[event[:2]] else None,
            event[0] if event is of_practice[event[0]] else None,
            versions[event[0]],
        )
        for event in events
    ]


async def directory_of(pool: "Pool", practice_id: str) -> Directory:
    """The locations and providers of one practice; an empty directory before the first sync."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT locations, providers, as_of AS directory_as_of FROM directory WHERE practice_id = $1", practice_id
        )
    return Directory() if row is None else _directory(row)


async def open_conversations(pool: "Pool", practice_id: str) -> AsyncGenerator[list[tuple[str, Conversation]]]:
    """The open conversations of a practice with their patients, some hundred at a time, in the order of patients."""
    last = ""
    while True:
        async with practice_scope(pool, practice_id) as connection:
            rows = await connection.fetch(
                "SELECT *, true AS is_known FROM conversation WHERE practice_id = $1 AND is_open AND patient_id > $2 "
                "ORDER BY patient_id LIMIT $3",
                practice_id, last, _CONVERSATIONS_AT_ONCE,
            )  # fmt: skip
        if not rows:
            return
        yield [(row["patient_id"], _conversation(row)) for row in rows]
        last = rows[-1]["patient_id"]


async def labels_from(
    connection: "Connection", appointments: Sequence[AppointmentSyncedV1]
) -> dict[AppointmentKey, tuple[CarriedPlace | None, CarriedPlace | None]]:
    """Location and provider of the conversations in Unassigned that have one of them from these appointments.

    What is older than our copy of an appointment is left out.
    """
    said = [(one.practice_id, one.patient_id, one.appointment_id, one.as_of) for one in appointments]
    rows = await connection.fetch(_LABELS, *columns(said, 4))
    return {
        (row["practice_id"], row["patient_id"], row["said_of"]): (_label(row, "location"), _label(row, "provider"))
        for row in rows
    }


def _conversation(row: "Row") -> Conversation:
    if not row["is_known"]:
        return Conversation()
    return Conversation(
        is_open=row["is_open"],
        destination=_destination(row["destination_kind"], row["destination_id"]),
        reason_id=row["reason_id"],
        location=_label(row, "location"),
        provider=_label(row, "provider"),
        last_message_at=row["last_message_at"],
        unread_practice_message_id=row["unread_practice_message_id"],
        menu_offered_at=row["menu_offered_at"],
        version=row["version"],
    )


def _destination(kind: str, id_: str | None) -> Destination:
    match kind, id_:
        case "member", str():
            return AssignedTo(StaffId(id_))
        case "shared_inbox", str():
            return InSharedInbox(id_)
        case _:
            return Unassigned()


def _label(row: "Row", kind: str) -> CarriedPlace | None:
    if row[f"{kind}_id"] is None:
        return None
    return CarriedPlace(row[f"{kind}_id"], row[f"{kind}_appointment_id"], row[f"{kind}_as_of"], row[f"{kind}_outdated"])


def _appointment(row: "Row") -> Appointment:
    return Appointment(row["appointment_id"], row["start_at"], row["at_location"], row["with_provider"], row["as_of"])


def _settings(row: "Row") -> RoutingSettingsPublishedV1 | None:
    return None if row["settings"] is None else RoutingSettingsPublishedV1.model_validate_json(row["settings"])


def _directory(row: "Row") -> Directory:
    if row["locations"] is None:
        return Directory()
    return Directory(_places(row["locations"]), _places(row["providers"]), row["directory_as_of"])


def _places(body: str) -> dict[Any, Place]:
    return {place["id"]: Place(place["name"], place["retired"]) for place in from_json(body)}
