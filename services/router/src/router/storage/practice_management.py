"""Our copies of what the practice-management system says."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import to_json

from router.storage.facts import Key
from shared_database import columns
from shared_messaging import Batch, Outgoing
from shared_schemas.practice_management import AppointmentSyncedV1, DirectorySyncedV1

if TYPE_CHECKING:
    from shared_database.pools import Connection

E = TypeVar("E", AppointmentSyncedV1, DirectorySyncedV1)
K = TypeVar("K")

_APPOINTMENTS = """
saved AS (
    INSERT INTO appointment SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[]
    )
    ON CONFLICT (practice_id, patient_id, appointment_id) DO UPDATE SET
        status = excluded.status, start_at = excluded.start_at, location_id = excluded.location_id,
        provider_id = excluded.provider_id, as_of = excluded.as_of
    WHERE appointment.as_of <= excluded.as_of
    RETURNING 1
)"""

_DIRECTORIES = """
saved AS (
    INSERT INTO directory SELECT * FROM unnest($1::text[], $2::jsonb[], $3::jsonb[], $4::timestamptz[])
    ON CONFLICT (practice_id) DO UPDATE SET
        locations = excluded.locations, providers = excluded.providers, as_of = excluded.as_of
    WHERE directory.as_of <= excluded.as_of
    RETURNING 1
)"""


def newest_appointments(events: Iterable[AppointmentSyncedV1]) -> list[AppointmentSyncedV1]:
    """Of each appointment what was said last, in the order of their keys."""
    newest = _newest(events, lambda one: (one.practice_id, one.patient_id, one.appointment_id))
    return [one for _, one in sorted(newest.items())]


async def save_appointments(batch: Batch, newest: Sequence[AppointmentSyncedV1], publish: Sequence[Outgoing]) -> None:
    """Keep what is newer than our copy; an appointment that arrives late changes nothing."""
    rows = [
        (
            one.practice_id, one.patient_id, one.appointment_id, one.status, one.start, one.location_id,
            one.provider_id, one.as_of,
        )
        for one in newest
    ]  # fmt: skip
    await batch.write(_APPOINTMENTS, *columns(rows, 8), publish=publish)


async def save_directories(batch: Batch, events: Sequence[DirectorySyncedV1]) -> None:
    """Keep the newest directory of each practice."""
    newest = _newest(events, lambda one: one.practice_id)
    rows = [
        (practice, _places(one.locations), _places(one.providers), one.as_of)
        for practice, one in sorted(newest.items())
    ]
    if rows:
        await batch.write(_DIRECTORIES, *columns(rows, 4))


async def forget_patients(connection: "Connection", keys: Sequence[Key]) -> None:
    """Delete all appointments of these patients. Repeating it is harmless, so it needs no fence."""
    if keys:
        await connection.execute(
            "DELETE FROM appointment USING unnest($1::text[], $2::text[]) AS gone (practice_id, patient_id) "
            "WHERE appointment.practice_id = gone.practice_id AND appointment.patient_id = gone.patient_id",
            [practice for practice, _ in keys],
            [patient for _, patient in keys],
        )


def _newest(events: Iterable[E], key: Callable[[E], K]) -> dict[K, E]:
    """Of each key the one with the newest `as_of`; of equally new ones the last."""
    return {key(one): one for one in sorted(events, key=lambda one: one.as_of)}


def _places(places: Sequence[object]) -> str:
    return to_json(places).decode()
