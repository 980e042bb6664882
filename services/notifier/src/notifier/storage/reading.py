"""Reading the projection: conversations, threads, and what a search finds."""

import base64
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from notifier.domain.inboxes import ASSIGNED, CLOSED, MINE, SHARED, UNASSIGNED, key_for
from notifier.views import Conversation, ConversationSummary, FoundConversation, LastMessage, ThreadMessage
from shared_database import practice_scope
from shared_schemas.routed_messages import Destination
from shared_schemas.staff_notifications import PatientName
from shared_schemas.values import in_utc

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

PAGE = 50
EXCERPT = 200

_TRANSCRIPT = """(
    SELECT content #>> '{}' FROM message_detail
    WHERE practice_id = $1 AND message_detail.message_id = thread_message.message_id AND name = 'transcript'
)"""

_SUMMARY = f"""
SELECT page.*, patient.given_name, patient.family_name, last_message.*,
    ARRAY(
        SELECT notification_id FROM notification
        WHERE practice_id = $1 AND staff_id = $2 AND conversation_id = page.conversation_id AND seen_at IS NULL
        ORDER BY notification_id
    ) AS unseen,
    page.is_unread AND EXISTS (
        SELECT FROM thread_message AS said
        WHERE said.practice_id = $1 AND said.conversation_id = page.conversation_id AND said.urgent AND NOT EXISTS (
            SELECT FROM thread_message AS answer
            WHERE answer.practice_id = $1 AND answer.conversation_id = page.conversation_id
                AND answer.sender = 'staff' AND answer.staff_id IS NOT NULL AND answer.sent_at > said.sent_at
        )
    ) AS is_urgent
FROM page
LEFT JOIN patient ON patient.practice_id = $1 AND patient.patient_id = page.patient_id
LEFT JOIN LATERAL (
    SELECT message_id, sender, channel, left(coalesce({_TRANSCRIPT}, body), {EXCERPT}) AS excerpt, sent_at
    FROM thread_message WHERE practice_id = $1 AND conversation_id = page.conversation_id
    ORDER BY sent_at DESC, message_id DESC LIMIT 1
) AS last_message ON true
ORDER BY page.updated_at DESC, page.conversation_id DESC
"""
"""Needs a `page` of conversations; $1 is the practice, $2 the person who reads."""

_OF_KIND = "is_open AND inbox_kind = $3 AND inbox_id IS NOT DISTINCT FROM $4"
_OF_AUDIENCE = "is_open AND $3::text = ANY (inboxes) AND $4::text IS NULL"
_CLOSED = "NOT is_open AND $3::text IS NULL AND $4::text IS NULL"

Start = tuple[datetime, str]
"""The conversation that ended the page before."""


async def conversations_in(
    pool: "Pool",
    practice_id: str,
    staff_id: str,
    inbox: str,
    *,
    reason: str | None,
    location: str | None,
    before: Start | None,
    limit: int = PAGE,
) -> list[ConversationSummary]:
    """A page of an inbox, the newest first. `inbox` as `GET /v1/conversations` names it."""
    condition, kind, inbox_id = _condition(inbox, staff_id)
    statement = f"""
        WITH page AS (
            SELECT * FROM conversation
            WHERE practice_id = $1 AND {condition}
                AND ($5::text IS NULL OR coalesce(reason ->> 'id', 'other') = $5)
                AND ($6::text IS NULL OR coalesce(location ->> 'id', 'unknown') = $6)
                AND ($7::timestamptz IS NULL OR (updated_at, conversation_id) < ($7, $8::text))
            ORDER BY updated_at DESC, conversation_id DESC LIMIT $9
        ) {_SUMMARY}"""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            statement, practice_id, staff_id, kind, inbox_id, reason, location, *(before or (None, None)), limit
        )
    return [ConversationSummary.model_validate(_summary(row)) for row in rows]


async def conversation_of(
    pool: "Pool", practice_id: str, staff_id: str, conversation_id: str, *, with_thread: bool = True
) -> Conversation | None:
    """A conversation, with its thread or with none; None when the practice has no such conversation."""
    statement = f"WITH page AS (SELECT * FROM conversation WHERE practice_id = $1 AND conversation_id = $3) {_SUMMARY}"
    thread = """
        WITH RECURSIVE part AS (
            SELECT $2::text AS conversation_id
            UNION  -- each once, so a ring of links ends
            SELECT conversation_link.conversation_id FROM part
            JOIN conversation_link ON practice_id = $1 AND linked_to = part.conversation_id
        )
        SELECT thread_message.*, (
            SELECT jsonb_object_agg(name, content) FROM message_detail
            WHERE practice_id = $1 AND message_detail.message_id = thread_message.message_id
        ) AS details
        FROM thread_message WHERE practice_id = $1 AND conversation_id IN (SELECT conversation_id FROM part)
        ORDER BY sent_at, message_id
    """
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(statement, practice_id, staff_id, conversation_id)
        if row is None:
            return None
        messages = await connection.fetch(thread, practice_id, conversation_id) if with_thread else []
        linked_to = await connection.fetchval(
            "SELECT linked_to FROM conversation_link WHERE practice_id = $1 AND conversation_id = $2",
            practice_id,
            conversation_id,
        )
    thread_of = {"messages": list(map(_message, messages)), "linked_to": linked_to}
    return Conversation.model_validate(_summary(row) | thread_of)


async def search(
    pool: "Pool", practice_id: str, staff_id: str, words: str, *, before: Start | None
) -> list[FoundConversation]:
    """A page of the conversations whose patient's name, or one of whose messages, has all the words or beginnings."""
    query = beginnings_of(words)
    if not query:
        return []
    statement = f"""
        WITH said AS (
            SELECT DISTINCT ON (conversation_id) conversation_id, message_id, sender, channel, sent_at,
                left(coalesce({_TRANSCRIPT}, body), {EXCERPT}) AS excerpt
            FROM thread_message WHERE practice_id = $1 AND (
                words @@ to_tsquery('simple', $3) OR message_id IN (
                    SELECT message_id FROM message_detail WHERE practice_id = $1 AND words @@ to_tsquery('simple', $3)
                )
            )
            ORDER BY conversation_id, sent_at DESC
        ), named AS (
            SELECT patient_id FROM patient WHERE practice_id = $1 AND words @@ to_tsquery('simple', $3)
        ), page AS (
            SELECT conversation.*, said.message_id AS found_id, said.sender AS found_sender,
                said.channel AS found_channel, said.excerpt AS found_excerpt, said.sent_at AS found_at
            FROM conversation LEFT JOIN said USING (conversation_id)
            WHERE practice_id = $1
                AND (said.message_id IS NOT NULL OR patient_id IN (SELECT patient_id FROM named))
                AND ($4::timestamptz IS NULL OR (updated_at, conversation_id) < ($4, $5::text))
            ORDER BY updated_at DESC, conversation_id DESC LIMIT {PAGE}
        ) {_SUMMARY}"""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(statement, practice_id, staff_id, query, *(before or (None, None)))
    return [FoundConversation.model_validate(_summary(row) | {"found": _found(row)}) for row in rows]


def beginnings_of(words: str) -> str:
    """The query that finds all of these words, or words that begin so; empty when there are none."""
    return " & ".join(f"{word}:*" for word in re.findall(r"\w+", words))


async def action_outcome(connection: "Connection", practice_id: str, change_id: str) -> str | None:
    """What came of a change that staff asked for, as JSON; None while nothing has."""
    found: str | None = await connection.fetchval(
        "SELECT outcome FROM action_outcome WHERE practice_id = $1 AND change_id = $2", practice_id, change_id
    )
    return found


def page_cursor(last: ConversationSummary) -> str:
    """An opaque name of the last conversation of a page."""
    text = f"{last.updated_at.isoformat()}~{last.conversation_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_start(cursor: str) -> Start:
    """Where a page goes on. Raises ValueError for what is no cursor of ours."""
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    instant, _, conversation_id = text.partition("~")
    start = datetime.fromisoformat(instant)
    if start.tzinfo is None:
        raise ValueError
    return in_utc(start), conversation_id


def _condition(inbox: str, staff_id: str) -> tuple[str, str | None, str | None]:
    """The condition of an inbox, and its $3 and $4."""
    if inbox == CLOSED:
        return _CLOSED, None, None
    if inbox == MINE:
        return _OF_AUDIENCE, key_for(MINE, staff_id), None
    if inbox == ASSIGNED:
        return _OF_KIND, "member", staff_id
    if inbox.startswith(SHARED):
        return _OF_KIND, "shared_inbox", inbox.removeprefix(SHARED)
    return _OF_KIND, UNASSIGNED, None


def _summary(row: "Row") -> dict[str, Any]:
    """V1: a custom shared inbox shows no labels."""
    shows_labels = row["inbox_kind"] != "shared_inbox"
    labels = {name: from_json(row[name]) if shows_labels else None for name in ("reason", "location", "provider")}
    is_named = row["family_name"] is not None
    return {
        **{name: row[name] for name in ("conversation_id", "patient_id", "version", "audience", "updated_at")},
        **{name: row[name] for name in ("message_version", "read_version", "unseen")},
        **labels,
        "patient": PatientName(given_name=row["given_name"], family_name=row["family_name"]) if is_named else None,
        "status": "open" if row["is_open"] else "closed",
        "destination": Destination(kind=row["inbox_kind"], id=row["inbox_id"]),
        "unread": row["is_unread"],
        "urgent": row["is_urgent"],
        "last_message": _excerpt(row, "message_id", "sender", "channel", "excerpt", "sent_at"),
    }


def _found(row: "Row") -> LastMessage | None:
    return _excerpt(row, "found_id", "found_sender", "found_channel", "found_excerpt", "found_at")


def _excerpt(row: "Row", *names: str) -> LastMessage | None:
    message_id, sender, channel, body, sent_at = (row[name] for name in names)
    if message_id is None:
        return None
    return LastMessage(message_id=message_id, sender=sender, channel=channel, body=body, sent_at=sent_at)


def _message(row: "Row") -> ThreadMessage:
    """V1: the history always shows the reason of each message. With what came to be known of it since."""
    details: dict[str, Any] = from_json(row["details"]) if row["details"] else {}
    shown = ("message_id", "conversation_id", "sender", "staff_id", "channel", "body", "sent_at", "urgent")
    return ThreadMessage.model_validate(
        {name: row[name] for name in shown}
        | {
            "transcript": details.get("transcript"),
            "delivery": details.get("delivery"),
            "attachments": [details.get(f"attachment:{one['id']}", one) for one in from_json(row["attachments"])],
            "reason": from_json(row["reason"]) if row["reason"] else None,
        }
    )
