"""Conversations that wait for somebody to look, and for whom further people were rung."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from notifier.domain.escalation import Waiting
from shared_database import practice_scope
from shared_schemas.staff_notifications import Escalation
from shared_schemas.values import Channel

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

_WAITING = """
SELECT conversation.*, patient_message.*, greatest(unread_since, practice_duty.since, (
        SELECT max(seen_at) FROM notification
        WHERE notification.practice_id = conversation.practice_id
            AND notification.conversation_id = conversation.conversation_id AND conversation_version > read_version
    )) AS waiting_since
FROM conversation JOIN practice_duty USING (practice_id)
CROSS JOIN LATERAL (
    SELECT message_id, channel, sent_at FROM thread_message
    WHERE practice_id = conversation.practice_id AND conversation_id = conversation.conversation_id
        AND sender = 'patient'
    ORDER BY sent_at DESC LIMIT 1
) AS patient_message
WHERE practice_id = ANY ($1::text[]) AND unread_since IS NOT NULL AND sent_at >= practice_duty.since AND NOT EXISTS (
    SELECT FROM notification WHERE notification.practice_id = conversation.practice_id
        AND notification.conversation_id = conversation.conversation_id
        AND conversation_version = message_version AND seen_at IS NOT NULL
)
ORDER BY practice_id, conversation_id
"""
"""Unread, and nobody has seen a notification of the newest message. A look at one before it starts the time anew."""

_ENDED_BY = """
CASE WHEN NOT is_open THEN 'closed'
    WHEN EXISTS (
        SELECT FROM thread_message WHERE thread_message.practice_id = conversation.practice_id
            AND thread_message.conversation_id = conversation.conversation_id
            AND staff_id IS NOT NULL AND sent_at >= escalation.since
    ) THEN 'answered'
    ELSE 'seen' END
"""


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The newest message of the patient in a conversation that waits."""

    patient_id: str
    message_id: str
    channel: Channel
    sent_at: datetime


async def waiting_in(connection: "Connection", practice_ids: Collection[str]) -> list[tuple[Waiting, LastMessage]]:
    """The conversations of these practices with something that nobody has seen."""
    rows = await connection.fetch(_WAITING, list(practice_ids))
    return [
        (
            Waiting(
                row["practice_id"],
                row["conversation_id"],
                row["waiting_since"],
                from_json(row["reason"])["id"],
                tuple(row["audience"]),
            ),
            LastMessage(row["patient_id"], row["message_id"], row["channel"], row["sent_at"]),
        )
        for row in rows
    ]


async def escalations_going_on(
    connection: "Connection", practice_ids: Collection[str]
) -> dict[tuple[str, str], Escalation]:
    """By practice and escalation id."""
    rows = await connection.fetch(
        "SELECT * FROM escalation WHERE practice_id = ANY ($1::text[]) AND ended IS NULL", list(practice_ids)
    )
    return {(row["practice_id"], row["escalation_id"]): _escalation(row) for row in rows}


async def save_escalations(connection: "Connection", changed: Mapping[tuple[str, str], Escalation]) -> None:
    """Keep how far these have come."""
    await connection.executemany(
        "INSERT INTO escalation VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (practice_id, escalation_id) DO UPDATE SET steps = excluded.steps, ended = NULL, ended_at = NULL",
        [
            (practice_id, one.escalation_id, one.conversation_id, one.since, to_json(one.steps).decode())
            for (practice_id, _), one in sorted(changed.items())
        ],
    )


async def end_escalations(
    connection: "Connection", ended: Sequence[tuple[str, str]], at: datetime
) -> list[tuple[str, Escalation]]:
    """End these (practice, escalation), and say why: its conversation was closed, answered or seen."""
    rows = await connection.fetch(
        f"UPDATE escalation SET ended = {_ENDED_BY}, ended_at = $3 FROM conversation "
        "WHERE (escalation.practice_id, escalation_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) "
        "AND conversation.practice_id = escalation.practice_id "
        "AND conversation.conversation_id = escalation.conversation_id RETURNING escalation.*",
        [practice_id for practice_id, _ in ended],
        [escalation_id for _, escalation_id in ended],
        at,
    )
    return [(row["practice_id"], _escalation(row)) for row in rows]


async def escalations_of(pool: "Pool", practice_id: str, conversation_id: str | None) -> list[Escalation]:
    """A conversation's escalations, those that have ended too; without one, all that go on. The oldest first."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT * FROM escalation WHERE practice_id = $1 "
            "AND CASE WHEN $2::text IS NULL THEN ended IS NULL ELSE conversation_id = $2 END "
            "ORDER BY since, escalation_id",
            practice_id,
            conversation_id,
        )
    return list(map(_escalation, rows))


def _escalation(row: "Row") -> Escalation:
    return Escalation(
        escalation_id=row["escalation_id"],
        conversation_id=row["conversation_id"],
        since=row["since"],
        steps=from_json(row["steps"]),
        ended=row["ended"],
        ended_at=row["ended_at"],
    )
