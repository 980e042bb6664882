"""Reading decision records, and letting the old ones go."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool

_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A message that nobody could be told of (M4)."""

    message_id: str
    patient_id: str
    received_at: datetime


async def decision_record_of(pool: "Pool", practice_id: str, message_id: str) -> str | None:
    """The record of a message as JSON; None when no such message was decided."""
    async with practice_scope(pool, practice_id) as connection:
        record: str | None = await connection.fetchval(
            "SELECT record FROM decision WHERE practice_id = $1 AND message_id = $2", practice_id, message_id
        )
    return record


async def count_decisions(pool: "Pool", practice_id: str, since: datetime, until: datetime) -> int:
    """How many messages were received from `since` on and before `until`."""
    async with practice_scope(pool, practice_id) as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM decision WHERE practice_id = $1 AND received_at >= $2 AND received_at < $3",
            practice_id, since, until,
        )  # fmt: skip
    return count


async def decisions_between(pool: "Pool", practice_id: str, since: datetime, until: datetime) -> AsyncGenerator[str]:
    """The records as JSON: patient by patient, each patient's in the order in which they were decided."""
    async with practice_scope(pool, practice_id) as connection:
        rows = connection.cursor(
            "SELECT record FROM decision WHERE practice_id = $1 AND received_at >= $2 AND received_at < $3 "
            "ORDER BY patient_id, conversation_version",
            practice_id, since, until, prefetch=_ROWS_AT_ONCE,
        )  # fmt: skip
        async for row in rows:
            yield row["record"]


async def unrouted_messages(pool: "Pool", practice_id: str, before: datetime, limit: int) -> list[Unrouted]:
    """The newest messages received before an instant that nobody could be told of."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT message_id, patient_id, received_at FROM decision "
            "WHERE practice_id = $1 AND is_unrouted AND received_at < $2 ORDER BY received_at DESC LIMIT $3",
            practice_id, before, limit,
        )  # fmt: skip
    return [Unrouted(**row) for row in rows]


async def keep_partitions(pool: "Pool", keep: timedelta) -> None:
    """Have the weeks to come ready, and drop those that ended longer than `keep` ago."""
    await pool.execute("SELECT keep_partitions($1)", keep)
