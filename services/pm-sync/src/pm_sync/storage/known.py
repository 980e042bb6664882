"""What we have said of a connection's appointments, patients and directory."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from pm_sync.domain.diff import Known, News
from pm_sync.domain.snapshot import Appointment, Patient
from shared_database import practice_scope
from shared_messaging import FencedSource, Outgoing

if TYPE_CHECKING:
    from shared_database.pools import Pool


_APPOINTMENT = TypeAdapter(Appointment)
_PATIENT = TypeAdapter(Patient)

_SAVE = """
appointments AS (
    INSERT INTO known_appointment SELECT $1, $2, * FROM unnest($3::text[], $4::jsonb[])
    ON CONFLICT (practice_id, connection_id, appointment_id) DO UPDATE SET body = excluded.body RETURNING 1
), removed AS (
    DELETE FROM known_appointment
    WHERE practice_id = $1 AND connection_id = $2 AND appointment_id = ANY ($5::text[]) RETURNING 1
), patients AS (
    INSERT INTO known_patient SELECT $1, $2, * FROM unnest($6::text[], $7::jsonb[])
    ON CONFLICT (practice_id, connection_id, patient_id) DO UPDATE SET body = excluded.body RETURNING 1
), updated AS (
    UPDATE connection SET locations = $8::jsonb, providers = $9::jsonb, last_success_at = $10, last_run_at = $10,
        last_problem = NULL
    WHERE practice_id = $1 AND connection_id = $2 RETURNING 1
)"""


async def known_of(pool: "Pool", practice_id: str, connection_id: str) -> Known:
    """Everything that we have said of a connection."""
    key = (practice_id, connection_id)
    async with practice_scope(pool, practice_id) as connection:
        appointments = await connection.fetch(
            "SELECT body FROM known_appointment WHERE practice_id = $1 AND connection_id = $2", *key
        )
        patients = await connection.fetch(
            "SELECT body FROM known_patient WHERE practice_id = $1 AND connection_id = $2", *key
        )
        directory = await connection.fetchrow(
            "SELECT locations, providers FROM connection WHERE practice_id = $1 AND connection_id = $2", *key
        )
    return Known(
        {one.appointment_id: one for one in (_APPOINTMENT.validate_json(row["body"]) for row in appointments)},
        {one.patient_id: one for one in (_PATIENT.validate_json(row["body"]) for row in patients)},
        _places(directory["locations"]) if directory else {},
        _places(directory["providers"]) if directory else {},
    )


async def save_news(
    source: FencedSource,
    practice_id: str,
    connection_id: str,
    news: News,
    publish: Sequence[Outgoing],
    at: datetime,
) -> None:
    """Write what is new and publish it, in one fenced statement. Raises `Fenced` when another run took over."""
    said = [*news.new_appointments, *news.changed_appointments]
    await source.write(
        _SAVE,
        practice_id,
        connection_id,
        [one.appointment_id for one in said],
        _bodies(said),
        [one.appointment_id for one in news.removed_appointments],
        [one.patient_id for one in news.patients],
        _bodies(news.patients),
        to_json(news.locations).decode(),
        to_json(news.providers).decode(),
        at,
        publish=publish,
        expecting={"updated": 1},
    )


def _bodies(values: Iterable[object]) -> list[str]:
    return [to_json(value).decode() for value in values]


def _places(body: str) -> dict[str, tuple[str, bool]]:
    return {id_: (name, is_retired) for id_, (name, is_retired) in from_json(body).items()}
