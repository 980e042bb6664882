"""Reading the projection: inboxes, conversations, threads; and what staff have seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from notifier.domain.visibility import Practice
from notifier.storage.projection import practices_of
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool, Row

PAGE = 50


@dataclass(frozen=True, slots=True)
class Inbox:
    """Which conversations: of an inbox kind and id, or (`mine`) those whose audience has this person."""

    kind: str
    id: str | None = None


async def practice_of(pool: "Pool", practice_id: str) -> Practice | None:
    """The people and inboxes of a practice; None while we have no settings of it."""
    async with practice_scope(pool, practice_id) as connection:
        return (await practices_of(connection, [practice_id])).get(practice_id)


async def conversations_in(
    pool: "Pool",
    practice_id: str,
    inbox: Inbox,
    staff_id: str,
    *,
    reason: str | None,
    location: str | None,
    before: tuple[datetime, str] | None,
) -> list[dict[str, Any]]:
    """A page of open conversations, the newest first; `before` is the last one of the page before."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            """
            SELECT * FROM conversation
            WHERE practice_id = $1 AND is_open
                AND CASE WHEN $2 = 'mine' THEN $4 = ANY (audience)
                    ELSE inbox_kind = $2 AND inbox_id IS NOT DISTINCT FROM $3 END
                AND ($5::text IS NULL OR coalesce(reason ->> 'id', 'other') = $5)
                AND ($6::text IS NULL OR coalesce(location ->> 'id', 'unknown') = $6)
                AND ($7::timestamptz IS NULL OR (updated_at, conversation_id) < ($7, $8))
            ORDER BY updated_at DESC, conversation_id DESC LIMIT $9
            """,
            practice_id,
            inbox.kind,
            inbox.id,
            staff_id,
            reason,
            location,
            *(before or (None, None)),
            PAGE,
        )
    return [_conversation(row) for row in rows]


async def conversation_of(pool: "Pool", practice_id: str, conversation_id: str) -> dict[str, Any] | None:
    """A conversation with its thread; None when the practice has no such conversation."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT * FROM conversation WHERE practice_id = $1 AND conversation_id = $2", practice_id, conversation_id
        )
        if row is None:
            return None
        messages = await connection.fetch(
            "SELECT * FROM thread_message WHERE practice_id = $1 AND conversation_id = $2 ORDER BY sent_at, message_id",
            practice_id,
            conversation_id,
        )
    return _conversation(row) | {"messages": [_message(message) for message in messages]}


async def mark_seen(
    pool: "Pool", practice_id: str, staff_id: str, notification_ids: Sequence[str], at: datetime
) -> int:
    """Note that a person has seen notifications of their own; returns how many were unseen until now."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "UPDATE notification SET seen_at = $4 WHERE practice_id = $1 AND staff_id = $2 "
            "AND notification_id = ANY ($3::text[]) AND seen_at IS NULL RETURNING 1",
            practice_id,
            staff_id,
            list(notification_ids),
            at,
        )
    return len(rows)


def _conversation(row: "Row") -> dict[str, Any]:
    """V1: a custom shared inbox shows no labels."""
    shows_labels = row["inbox_kind"] != "shared_inbox"
    labels = {name: from_json(row[name]) if shows_labels else None for name in ("reason", "location", "provider")}
    return {
        "conversation_id": row["conversation_id"],
        "patient_id": row["patient_id"],
        "version": row["version"],
        "status": "open" if row["is_open"] else "closed",
        "destination": {"kind": row["inbox_kind"], "id": row["inbox_id"]},
        "audience": row["audience"] or [],
        "updated_at": row["updated_at"],
        **labels,
    }


def _message(row: "Row") -> dict[str, Any]:
    """V1: the history always shows the reason of each message."""
    shown = ("message_id", "sender", "staff_id", "channel", "body", "sent_at", "transcript")
    return {name: row[name] for name in shown} | {
        "attachments": from_json(row["attachments"]),
        "reason": from_json(row["reason"]) if row["reason"] else None,
    }
