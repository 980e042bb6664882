"""Writing the projection: what `routed-messages` says becomes conversations, threads and notifications."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json

from notifier.domain.visibility import Member, Practice
from shared_database import columns
from shared_messaging import Batch, Outgoing
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1, StaffReply
from shared_schemas.staff_notifications import Notification

if TYPE_CHECKING:
    from shared_database.pools import Connection

_CONVERSATIONS = """
shown AS (
    INSERT INTO conversation
    SELECT practice_id, conversation_id, patient_id, version, is_open, inbox_kind, inbox_id, reason, location, provider,
        string_to_array(audience, ','), updated_at
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::int[], $5::boolean[], $6::text[], $7::text[],
        $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::text[], $12::timestamptz[]
    ) AS new (practice_id, conversation_id, patient_id, version, is_open, inbox_kind, inbox_id, reason, location,
        provider, audience, updated_at)
    ON CONFLICT (practice_id, conversation_id) DO UPDATE SET
        version = excluded.version, is_open = excluded.is_open, inbox_kind = excluded.inbox_kind,
        inbox_id = excluded.inbox_id, reason = excluded.reason, location = excluded.location,
        provider = excluded.provider, audience = excluded.audience, updated_at = excluded.updated_at
    WHERE conversation.version < excluded.version
    RETURNING 1
)"""

_MESSAGES = """
said AS (
    INSERT INTO thread_message SELECT * FROM unnest(
        $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::jsonb[],
        $21::jsonb[], $22::timestamptz[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""

_NOTIFICATIONS = """
told AS (
    INSERT INTO notification SELECT * FROM unnest(
        $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[], $30::timestamptz[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""

_TRANSCRIPTS = """
transcribed AS (
    UPDATE thread_message SET transcript = new.words
    FROM unnest($31::text[], $32::text[], $33::text[]) AS new (practice_id, message_id, words)
    WHERE thread_message.practice_id = new.practice_id AND thread_message.message_id = new.message_id
    RETURNING 1
)"""

_STATEMENT = f"{_CONVERSATIONS}, {_MESSAGES}, {_NOTIFICATIONS}, {_TRANSCRIPTS}"

_SETTINGS = """
kept AS (
    INSERT INTO practice SELECT * FROM unnest($1::text[], $2::int[], $3::jsonb[])
    ON CONFLICT (practice_id) DO UPDATE SET settings_version = excluded.settings_version, settings = excluded.settings
    WHERE practice.settings_version < excluded.settings_version
    RETURNING 1
)"""


@dataclass(frozen=True, slots=True)
class Told:
    """A notification, and what it is about."""

    practice_id: str
    message_id: str
    conversation_id: str
    notification: Notification
    at: datetime


async def known_messages(connection: "Connection", asked: Collection[tuple[str, str]]) -> set[str]:
    """Which of these (practice, message) are in a thread already."""
    rows = await connection.fetch(
        "SELECT message_id FROM thread_message "
        "JOIN unnest($1::text[], $2::text[]) AS asked (practice_id, message_id) USING (practice_id, message_id)",
        [practice for practice, _ in asked],
        [message for _, message in asked],
    )
    return {row["message_id"] for row in rows}


async def known_versions(connection: "Connection", asked: Collection[tuple[str, str]]) -> dict[str, int]:
    """The versions that we have of these (practice, conversation)."""
    rows = await connection.fetch(
        "SELECT conversation_id, version FROM conversation "
        "JOIN unnest($1::text[], $2::text[]) AS asked (practice_id, conversation_id) USING (practice_id, conversation_id)",
        [practice for practice, _ in asked],
        [conversation for _, conversation in asked],
    )
    return {row["conversation_id"]: row["version"] for row in rows}


async def practices_of(connection: "Connection", practice_ids: Collection[str]) -> dict[str, Practice]:
    """The people and inboxes of these practices; those whose settings we do not have are left out."""
    rows = await connection.fetch(
        "SELECT practice_id, settings FROM practice WHERE practice_id = ANY ($1::text[])", list(practice_ids)
    )
    return {
        row["practice_id"]: _practice(RoutingSettingsPublishedV1.model_validate_json(row["settings"])) for row in rows
    }


async def save_settings(
    batch: Batch, settings: Sequence[RoutingSettingsPublishedV1], publish: Sequence[Outgoing]
) -> None:
    """Keep the newest settings of each practice."""
    newest = {one.practice_id: one for one in sorted(settings, key=lambda one: one.version)}
    rows = [(practice, one.version, one.model_dump_json()) for practice, one in sorted(newest.items())]
    await batch.write(_SETTINGS, *columns(rows, 3), publish=publish)


async def project(
    batch: Batch,
    messages: Sequence[RoutedMessageV1],
    updates: Sequence[ConversationUpdatedV1],
    told: Sequence[Told],
    publish: Sequence[Outgoing],
) -> None:
    """Write a batch of the history, in one statement."""
    changes: list[RoutedMessageV1 | ConversationUpdatedV1] = [*messages, *updates]
    conversations = {
        (one.practice_id, one.conversation_id): _conversation(one)
        for one in sorted(changes, key=lambda one: one.conversation_version)
    }
    replies = [_staff_message(one, one.reply) for one in updates if one.reply is not None]
    transcripts = [
        (one.practice_id, one.transcript.message_id, one.transcript.text)
        for one in updates
        if one.transcript is not None
    ]
    await batch.write(
        _STATEMENT,
        *columns([row for _, row in sorted(conversations.items())], 12),
        *columns([*map(_patient_message, messages), *replies], 10),
        *columns([_notification(one) for one in told], 8),
        *columns(transcripts, 3),
        publish=publish,
    )


def _practice(settings: RoutingSettingsPublishedV1) -> Practice:
    return Practice(
        settings.version,
        tuple(
            Member(one.staff_id, one.active, one.role == "administrator", one.unassigned) for one in settings.members
        ),
        {inbox.id: inbox.members for inbox in settings.shared_inboxes},
    )


def _conversation(one: RoutedMessageV1 | ConversationUpdatedV1) -> tuple[object, ...]:
    is_open = isinstance(one, RoutedMessageV1) or one.status == "open"
    at = one.received_at if isinstance(one, RoutedMessageV1) else one.occurred_at
    labels = (one.reason.model_dump_json(), one.location.model_dump_json(), one.provider.model_dump_json())
    audience = ",".join(person.staff_id for person in one.audience)
    return (
        one.practice_id, one.conversation_id, one.patient_id, one.conversation_version, is_open,
        one.destination.kind, one.destination.id, *labels, audience, at,
    )  # fmt: skip


def _patient_message(one: RoutedMessageV1) -> tuple[object, ...]:
    return (
        one.practice_id, one.message_id, one.conversation_id, "patient", None, one.channel, one.body,
        to_json(one.attachments).decode(), one.reason.model_dump_json(), one.received_at,
    )  # fmt: skip


def _staff_message(one: ConversationUpdatedV1, reply: StaffReply) -> tuple[object, ...]:
    return (
        one.practice_id, reply.message_id, one.conversation_id, "staff", one.actor.id, reply.channel, reply.body,
        to_json(reply.attachments).decode(), None, one.occurred_at,
    )  # fmt: skip


def _notification(one: Told) -> tuple[object, ...]:
    it = one.notification
    return (
        one.practice_id, it.notification_id, it.staff_id, one.message_id, one.conversation_id, it.because,
        it.subscription_id, one.at,
    )  # fmt: skip
