"""What staff have seen. Every number here only ever grows, so the order in which it is told does not matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from notifier.storage.projection import listing_from
from shared_database import practice_scope
from shared_schemas.staff_notifications import Listing

if TYPE_CHECKING:
    from shared_database.pools import Pool

LATELY = timedelta(minutes=15)
"""What was seen this long ago is told again: a second try says what the first one may not have got out."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far a conversation is read now, and which notifications of the reader were seen lately."""

    patient_id: str
    listing: Listing
    read_version: int
    notification_ids: list[str]
    marked: int
    """How many of them were unseen until now."""


async def mark_read(
    pool: "Pool", practice_id: str, staff_id: str, conversation_id: str, version: int, at: datetime
) -> Read | None:
    """Note that a person has read a conversation up to `version`; None when the practice has no such conversation.

    A version that is not there yet counts as the newest one.
    """
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "UPDATE conversation SET read_version = greatest(read_version, least($3, version)) "
            "WHERE practice_id = $1 AND conversation_id = $2 RETURNING *",
            practice_id,
            conversation_id,
            version,
        )
        if row is None:
            return None
        marked = await connection.fetch(
            "UPDATE notification SET seen_at = $5 WHERE practice_id = $1 AND staff_id = $2 AND conversation_id = $3 "
            "AND conversation_version <= $4 AND seen_at IS NULL RETURNING 1",
            practice_id,
            staff_id,
            conversation_id,
            version,
            at,
        )
        rows = await connection.fetch(
            "SELECT notification_id FROM notification WHERE practice_id = $1 AND staff_id = $2 "
            "AND conversation_id = $3 AND conversation_version <= $4 AND seen_at > $5 ORDER BY notification_id",
            practice_id,
            staff_id,
            conversation_id,
            version,
            at - LATELY,
        )
    seen = [one["notification_id"] for one in rows]
    return Read(row["patient_id"], listing_from(row), min(version, row["version"]), seen, len(marked))


async def mark_seen(
    pool: "Pool", practice_id: str, staff_id: str, notification_ids: Sequence[str], at: datetime
) -> tuple[list[str], int]:
    """Note that a person has seen notifications of their own: which of them are theirs, and how many were unseen."""
    async with practice_scope(pool, practice_id) as connection:
        changed = await connection.fetch(
            "UPDATE notification SET seen_at = $4 WHERE practice_id = $1 AND staff_id = $2 "
            "AND notification_id = ANY ($3::text[]) AND seen_at IS NULL RETURNING 1",
            practice_id,
            staff_id,
            list(notification_ids),
            at,
        )
        rows = await connection.fetch(
            "SELECT notification_id FROM notification WHERE practice_id = $1 AND staff_id = $2 "
            "AND notification_id = ANY ($3::text[]) ORDER BY notification_id",
            practice_id,
            staff_id,
            list(notification_ids),
        )
    return [row["notification_id"] for row in rows], len(changed)
