"""Letting records go that the practice's schedule no longer keeps."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from router.storage.settings import current_settings
from shared_database import practice_scope
from shared_database.retention import AT_ONCE
from shared_schemas.practice_settings import Retention

if TYPE_CHECKING:
    from shared_database.pools import Pool

_OLD = """
DELETE FROM {table} WHERE practice_id = $1 AND ({key}, {at}) IN (
    SELECT {key}, {at} FROM {table} AS old WHERE practice_id = $1 AND {at} < $2 AND NOT EXISTS (
        SELECT FROM conversation WHERE practice_id = $1 AND is_open AND patient_id = {patient}
    ) LIMIT $3
) RETURNING 1
"""
_OLD_DECISIONS = _OLD.format(table="decision", key="message_id", at="received_at", patient="old.patient_id")
_OLD_CHANGES = _OLD.format(
    table="applied_change", key="change_id", at="applied_at", patient="old.record ->> 'patient_id'"
)


async def forget_old(pool: "Pool", practice_id: str, now: datetime) -> int:
    """Remove some old decision records and changes of closed conversations. See `ForgetOld`."""
    settings = await current_settings(pool, practice_id)
    kept = settings.retention if settings is not None else Retention()
    until = now - timedelta(days=kept.decisions_days)
    async with practice_scope(pool, practice_id) as connection:
        gone = [
            len(await connection.fetch(statement, practice_id, until, AT_ONCE))
            for statement in (_OLD_DECISIONS, _OLD_CHANGES)
        ]
    return sum(gone)
