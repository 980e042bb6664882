"""Reading decision records."""

from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool


async def decision_record_of(pool: "Pool", practice_id: str, message_id: str) -> str | None:
    """The record of a message as JSON; None when no such message was decided."""
    async with practice_scope(pool, practice_id) as connection:
        record: str | None = await connection.fetchval(
            "SELECT record FROM decision WHERE practice_id = $1 AND message_id = $2", practice_id, message_id
        )
    return record
