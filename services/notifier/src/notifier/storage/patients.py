"""What patients are called. Names are for staff of the practice alone: they are in no log and no key."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from notifier.storage.reading import beginnings_of
from notifier.views import KnownPatient
from shared_database import columns, practice_scope
from shared_messaging import Batch, Outgoing
from shared_schemas.practice_management import PatientSyncedV1

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

MOST_FOUND = 20

_SAVE = """
named AS (
    INSERT INTO patient (practice_id, patient_id, given_name, family_name, as_of)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    ON CONFLICT (practice_id, patient_id) DO UPDATE
        SET given_name = excluded.given_name, family_name = excluded.family_name, as_of = excluded.as_of
    WHERE patient.as_of < excluded.as_of
    RETURNING 1
)"""


async def find_patients(pool: "Pool", practice_id: str, words: str, patient_ids: Collection[str]) -> list[KnownPatient]:
    """The patients with these ids, and those whose name has all the words or beginnings: twenty at most, by name."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT patient_id, given_name, family_name FROM patient "
            "WHERE practice_id = $1 AND (patient_id = ANY ($2::text[]) OR words @@ to_tsquery('simple', $3)) "
            f"ORDER BY family_name, given_name, patient_id LIMIT {MOST_FOUND}",
            practice_id, list(patient_ids), beginnings_of(words),
        )  # fmt: skip
    return [KnownPatient.model_validate(dict(row)) for row in rows]


async def forget_patients(connection: "Connection", keys: Collection[tuple[str, str]]) -> None:
    """What these (practice, patient) were called. Repeating it is harmless, so it needs no fence."""
    if keys:
        await connection.execute(
            "DELETE FROM patient USING unnest($1::text[], $2::text[]) AS gone (practice_id, patient_id) "
            "WHERE patient.practice_id = gone.practice_id AND patient.patient_id = gone.patient_id",
            *columns(list(keys), 2),
        )


async def save_patients(batch: Batch, patients: Sequence[PatientSyncedV1], publish: Sequence[Outgoing]) -> None:
    """Keep the newest name of each patient."""
    newest = {(one.practice_id, one.patient_id): one for one in sorted(patients, key=lambda one: one.as_of)}
    rows = [(*key, one.given_name, one.family_name, one.as_of) for key, one in sorted(newest.items())]
    await batch.write(_SAVE, *columns(rows, 5), publish=publish)
