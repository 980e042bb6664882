"""Letting messages, texts and files go that the practice's schedule no longer keeps."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared_database import practice_scope
from shared_database.retention import AT_ONCE

if TYPE_CHECKING:
    from shared_database.pools import Pool

_CALLS_LIVE = timedelta(days=30)
"""Who calls is asked for until the recording has come."""

_DEALT_WITH = """NOT EXISTS (
    SELECT FROM conversation AS talk WHERE practice_id = $1 AND is_open AND talk.patient_id = old.patient_id
)"""
_OLD_MESSAGES = f"""
DELETE FROM thread_message WHERE practice_id = $1 AND message_id IN (
    SELECT message_id FROM thread_message AS old WHERE practice_id = $1 AND sent_at < $2 AND {_DEALT_WITH} LIMIT $3
) RETURNING 1
"""
# What still has to be sent is in the queue; what failed waits for somebody to send it again.
_OLD_TEXTS = f"""
DELETE FROM outgoing_text WHERE practice_id = $1 AND text_id IN (
    SELECT text_id FROM outgoing_text AS old
    WHERE practice_id = $1 AND made_at < $2 AND status IS DISTINCT FROM 'failed' AND {_DEALT_WITH} AND NOT EXISTS (
        SELECT FROM text_queue WHERE practice_id = $1 AND text_queue.text_id = old.text_id
    ) LIMIT $3
) RETURNING 1
"""
_OLD_FILES = f"""
SELECT attachment_id FROM attachment AS old
WHERE practice_id = $1 AND made_at < $2 AND state <> 'pending' AND {_DEALT_WITH} LIMIT $3
"""


async def forget_old_words(pool: "Pool", practice_id: str, until: datetime, now: datetime) -> int:
    """Remove some of the messages and texts, of closed conversations, that are from before `until`; how many."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "DELETE FROM voice_call WHERE practice_id = $1 AND began_at < $2", practice_id, now - _CALLS_LIVE
        )
        gone = [
            len(await connection.fetch(statement, practice_id, until, AT_ONCE))
            for statement in (_OLD_MESSAGES, _OLD_TEXTS)
        ]
    return sum(gone)


async def old_files(pool: "Pool", practice_id: str, until: datetime) -> list[str]:
    """Some of the files, of closed conversations, that came before `until` and are not still to be copied."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(_OLD_FILES, practice_id, until, AT_ONCE)
    return [row["attachment_id"] for row in rows]


async def forget_files(pool: "Pool", practice_id: str, attachment_ids: Sequence[str]) -> None:
    """Their content is gone from the blob store."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "DELETE FROM attachment WHERE practice_id = $1 AND attachment_id = ANY ($2::text[])",
            practice_id, list(attachment_ids),
        )  # fmt: skip
