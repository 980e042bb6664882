"""What we have said of a connection's appointments, patients and places."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from pm_sync.domain.diff import REMEMBERED, Known, News, Places
from pm_sync.domain.snapshot import GONE, WILL_TAKE_PLACE, Appointment, Page, Patient, Window
from pm_sync.storage.keyed import Key, execute, fetch, fetchval
from shared_database import columns, practice_scope
from shared_messaging import FencedSource, Outgoing

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

_APPOINTMENT = "appointment_id, patient_id, status, start_at, end_at, location_id, provider_id, as_of, sequence"
_PATIENT = "patient_id, given_name, family_name, birth_date, phones, as_of, sequence, is_active, merged_into"

_SAVE = """
appointments AS (
    INSERT INTO known_appointment (practice_id, connection_id, appointment_id, patient_id, status, start_at, end_at,
        location_id, provider_id, as_of, sequence)
    SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
        $9::text[], $10::timestamptz[], $11::bigint[])
    ON CONFLICT (practice_id, connection_id, appointment_id) DO UPDATE SET patient_id = excluded.patient_id,
        status = excluded.status, start_at = excluded.start_at, end_at = excluded.end_at,
        location_id = excluded.location_id, provider_id = excluded.provider_id, as_of = excluded.as_of,
        sequence = excluded.sequence
    RETURNING 1
), patients AS (
    INSERT INTO known_patient (practice_id, connection_id, patient_id, given_name, family_name, birth_date, phones,
        as_of, sequence, is_active, merged_into)
    SELECT $1, $2, patient_id, given_name, family_name, birth_date, string_to_array(phones, ';'),
        as_of, sequence, is_active, merged_into
    FROM unnest($12::text[], $13::text[], $14::text[], $15::date[], $16::text[], $17::timestamptz[], $18::bigint[],
        $19::boolean[], $20::text[])
        AS said (patient_id, given_name, family_name, birth_date, phones, as_of, sequence, is_active, merged_into)
    ON CONFLICT (practice_id, connection_id, patient_id) DO UPDATE SET given_name = excluded.given_name,
        family_name = excluded.family_name, birth_date = excluded.birth_date, phones = excluded.phones,
        as_of = excluded.as_of, sequence = excluded.sequence, is_active = excluded.is_active,
        merged_into = excluded.merged_into
    RETURNING 1
), updated AS (
    UPDATE connection SET locations = $21::jsonb, providers = $22::jsonb,
        newest_data_at = greatest(newest_data_at, $23), vouched_at = coalesce($24, vouched_at)
    WHERE practice_id = $1 AND connection_id = $2
    RETURNING 1
)"""


@dataclass(frozen=True, slots=True)
class Directory:
    """A connection's places, and until when it vouches for what it has said."""

    locations: Places
    providers: Places
    last_success_at: datetime | None
    vouched_at: datetime | None


async def known_of(connection: "Connection", key: Key, page: Page) -> Known:
    """What we have said of those whom a page is about. `connection` sees the practice."""
    appointments, patients = [], []
    if page.appointments:
        appointments = await connection.fetch(
            f"SELECT {_APPOINTMENT} FROM known_appointment "
            "WHERE practice_id = $1 AND connection_id = $2 AND appointment_id = ANY ($3::text[])",
            key.practice_id,
            key.connection_id,
            [one.appointment_id for one in page.appointments],
        )
    if page.patients:
        patients = await connection.fetch(
            f"SELECT {_PATIENT} FROM known_patient "
            "WHERE practice_id = $1 AND connection_id = $2 AND patient_id = ANY ($3::text[])",
            key.practice_id,
            key.connection_id,
            [one.patient_id for one in page.patients],
        )
    return Known(
        {row[0]: Appointment(*row) for row in appointments},
        {row[0]: _patient(row) for row in patients},
    )


async def missing(
    pool: "Pool", key: Key, window: Window, as_of: datetime, seen: Sequence[str] = ()
) -> list[Appointment]:
    """The appointments of a window that the source has not said since `as_of`, and that are not among `seen`."""
    rows = await fetch(
        pool,
        key,
        f"SELECT {_APPOINTMENT} FROM known_appointment WHERE practice_id = $1 AND connection_id = $2 "
        "AND start_at >= $3 AND ($4::timestamptz IS NULL OR start_at < $4) AND as_of < $5 AND status <> $6 "
        "AND NOT appointment_id = ANY ($7::text[]) ORDER BY start_at, appointment_id",
        window.since,
        window.until,
        as_of,
        GONE,
        seen,
    )
    return [Appointment(*row) for row in rows]


async def count_upcoming(pool: "Pool", key: Key, now: datetime) -> int:
    """How many appointments are to take place."""
    sql = (
        "SELECT count(*) FROM known_appointment "
        "WHERE practice_id = $1 AND connection_id = $2 AND start_at > $3 AND status = ANY ($4::text[])"
    )
    return int(await fetchval(pool, key, sql, now, list(WILL_TAKE_PLACE)))


async def forget_past(pool: "Pool", key: Key, now: datetime) -> None:
    """Delete what started so long ago that it is not taken any more either."""
    sql = "DELETE FROM known_appointment WHERE practice_id = $1 AND connection_id = $2 AND start_at < $3"
    await execute(pool, key, sql, now - REMEMBERED)


async def directories(pool: "Pool", practice_id: str) -> dict[str, Directory]:
    """The places of each connection of a practice."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT connection_id, locations, providers, last_success_at, vouched_at FROM connection "
            "WHERE practice_id = $1",
            practice_id,
        )
    return {id_: Directory(_places(locations), _places(providers), *at) for id_, locations, providers, *at in rows}


async def save_news(
    source: FencedSource,
    key: Key,
    news: News,
    locations: Places,
    providers: Places,
    publish: Sequence[Outgoing],
    *,
    vouched_at: datetime | None,
) -> None:
    """Write what is new and publish it, in one fenced statement. Raises `Fenced` when another run took over.

    `vouched_at` is that of the directory among the events, if there is one.
    """
    kept = {
        one.appointment_id: one
        for one in (
            *news.removed_appointments,
            *news.new_appointments,
            *news.changed_appointments,
            *news.confirmed_appointments,
        )
    }  # what has moved to another patient is removed and changed: the later one is kept
    appointments = [
        (
            one.appointment_id, one.patient_id, one.status, one.start, one.end, one.location_id, one.provider_id,
            one.as_of, one.sequence,
        )
        for one in sorted(kept.values(), key=lambda one: one.appointment_id)
    ]  # fmt: skip
    patients = [
        (
            one.patient_id, one.given_name, one.family_name, one.birth_date, ";".join(one.phones), one.as_of,
            one.sequence, one.is_active, one.merged_into,
        )
        for one in sorted((*news.patients, *news.confirmed_patients), key=lambda one: one.patient_id)
    ]  # fmt: skip
    newest = max((one.as_of for one in (*news.new_appointments, *news.changed_appointments)), default=None)
    await source.write(
        _SAVE,
        key.practice_id,
        key.connection_id,
        *columns(appointments, 9),
        *columns(patients, 9),
        to_json(locations).decode(),
        to_json(providers).decode(),
        newest,
        vouched_at,
        publish=publish,
        expecting={"updated": 1},
    )


def _patient(row: "Row") -> Patient:
    """Arrays come as lists, and ours compare as tuples."""
    patient = Patient(*row)
    return replace(patient, phones=tuple(patient.phones))


def _places(body: str) -> Places:
    return {id_: (name, is_retired) for id_, (name, is_retired) in from_json(body).items()}
