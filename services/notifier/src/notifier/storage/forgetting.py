"""Letting messages go that the practice's schedule no longer keeps."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from notifier.storage.practices import settings_of
from shared_database import practice_scope
from shared_database.retention import AT_ONCE
from shared_schemas.practice_settings import Retention

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

_OUTCOMES_LIVE = timedelta(days=30)
"""What came of an action is asked for by whoever sends it once more."""

_OLD = """
SELECT message_id FROM conversation, LATERAL (
    SELECT message_id FROM thread_message
    WHERE practice_id = $1 AND conversation_id = conversation.conversation_id AND sent_at < $2 LIMIT $3
) AS message WHERE practice_id = $1 AND NOT is_open LIMIT $3
"""
_OF_MESSAGES = "WHERE practice_id = $1 AND message_id = ANY ($2::text[])"
_EMPTY = """
DELETE FROM conversation WHERE practice_id = $1 AND NOT is_open AND updated_at < $2 AND NOT EXISTS (
    SELECT FROM thread_message
    WHERE practice_id = $1 AND thread_message.conversation_id = conversation.conversation_id
)
"""


async def forget_old(pool: "Pool", practice_id: str, now: datetime) -> int:
    """Remove some old messages of closed conversations, and what is known of them. See `ForgetOld`."""
    async with practice_scope(pool, practice_id) as connection:
        settings = (await settings_of(connection, [practice_id])).get(practice_id)
        kept = settings.retention if settings is not None else Retention()
        until = now - timedelta(days=kept.messages_days)
        messages = [row["message_id"] for row in await connection.fetch(_OLD, practice_id, until, AT_ONCE)]
        await _forget_messages(connection, practice_id, messages)
        await connection.execute(_EMPTY, practice_id, until)
        await connection.execute(
            "DELETE FROM action_outcome WHERE practice_id = $1 AND (outcome ->> 'occurred_at')::timestamptz < $2",
            practice_id, now - _OUTCOMES_LIVE,
        )  # fmt: skip
    return len(messages)


async def _forget_messages(connection: "Connection", practice_id: str, message_ids: list[str]) -> None:
    """Remove messages with their details and notifications."""
    for statement in (
        f"DELETE FROM message_detail {_OF_MESSAGES}",
        f"DELETE FROM notification {_OF_MESSAGES}",
        f"DELETE FROM thread_message {_OF_MESSAGES}",
    ):
        await connection.execute(statement, practice_id, message_ids)
