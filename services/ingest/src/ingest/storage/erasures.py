"""Whom a practice wants erased; `switchboard erase --asked` does it, with a login that reaches all services."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool


@dataclass(frozen=True, slots=True)
class Erasure:
    """One patient's, from when it is asked for."""

    patient_id: str
    asked_at: datetime
    asked_by: str
    waits_for: str | None
    """What has to be finished first, as far as somebody has looked."""
    done_at: datetime | None


async def ask_erasure(pool: "Pool", practice_id: str, patient_id: str, by: str, now: datetime) -> Erasure:
    """Note it; the same again changes nothing, and after it was done asks anew: the patient may have come back."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO erasure (practice_id, patient_id, asked_at, asked_by) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (practice_id, patient_id) DO UPDATE SET asked_at = excluded.asked_at, "
            "asked_by = excluded.asked_by, waits_for = NULL, done_at = NULL WHERE erasure.done_at IS NOT NULL",
            practice_id, patient_id, now, by,
        )  # fmt: skip
        row = await connection.fetchrow(
            "SELECT patient_id, asked_at, asked_by, waits_for, done_at FROM erasure "
            "WHERE practice_id = $1 AND patient_id = $2",
            practice_id, patient_id,
        )  # fmt: skip
    assert row is not None  # noqa: S101 - it was there or is now
    return Erasure(**row)


async def withdraw_erasure(pool: "Pool", practice_id: str, patient_id: str) -> bool:
    """Whether there was one that is not done yet."""
    async with practice_scope(pool, practice_id) as connection:
        done = await connection.execute(
            "DELETE FROM erasure WHERE practice_id = $1 AND patient_id = $2 AND done_at IS NULL",
            practice_id,
            patient_id,
        )
    return done == "DELETE 1"


async def erasures_of(pool: "Pool", practice_id: str, limit: int) -> list[Erasure]:
    """The newest first."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT patient_id, asked_at, asked_by, waits_for, done_at FROM erasure WHERE practice_id = $1 "
            "ORDER BY asked_at DESC, patient_id LIMIT $2",
            practice_id, limit,
        )  # fmt: skip
    return [Erasure(**row) for row in rows]
