"""Writing the projection: what `routed-messages` says becomes conversations, threads and notifications."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from notifier.domain.announcing import History, notifications_of
from notifier.domain.inboxes import inboxes_of, listing_of
from notifier.storage.duty import ARRANGED, Arrangement, arrangement_from
from shared_database import columns
from shared_messaging import Batch, Outgoing
from shared_schemas.ids import conversation_id
from shared_schemas.routed_messages import (
    ConversationActionRejectedV1,
    ConversationUpdatedV1,
    Destination,
    MessageUpdatedV1,
    RoutedMessageV1,
    StaffReply,
)
from shared_schemas.staff_notifications import Listing, PatientName

if TYPE_CHECKING:
    from shared_database.pools import Connection, Row

_CONVERSATIONS = """
shown AS (
    INSERT INTO conversation (practice_id, conversation_id, patient_id, version, is_open, inbox_kind, inbox_id, reason,
        location, provider, audience, inboxes, message_version, read_version, updated_at)
    SELECT practice_id, conversation_id, patient_id, version, is_open, inbox_kind, inbox_id, reason, location, provider,
        string_to_array(audience, ','), string_to_array(inboxes, ','), message_version, read_version, updated_at
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::int[], $5::boolean[], $6::text[], $7::text[],
        $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::text[], $12::text[], $13::int[], $14::int[], $15::timestamptz[]
    ) AS new (practice_id, conversation_id, patient_id, version, is_open, inbox_kind, inbox_id, reason, location,
        provider, audience, inboxes, message_version, read_version, updated_at)
    ON CONFLICT (practice_id, conversation_id) DO UPDATE SET
        version = excluded.version, is_open = excluded.is_open, inbox_kind = excluded.inbox_kind,
        inbox_id = excluded.inbox_id, reason = excluded.reason, location = excluded.location,
        provider = excluded.provider, audience = excluded.audience, inboxes = excluded.inboxes,
        message_version = greatest(conversation.message_version, excluded.message_version),
        read_version = greatest(conversation.read_version, excluded.read_version),
        updated_at = greatest(conversation.updated_at, excluded.updated_at)
    WHERE conversation.version < excluded.version
    RETURNING 1
)"""

_MESSAGES = """
said AS (
    INSERT INTO thread_message (practice_id, message_id, conversation_id, sender, staff_id, channel, body, attachments,
        reason, sent_at, urgent)
    SELECT * FROM unnest(
        $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::jsonb[],
        $24::jsonb[], $25::timestamptz[], $26::boolean[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""

_NOTIFICATIONS = """
told AS (
    INSERT INTO notification (practice_id, notification_id, staff_id, message_id, conversation_id,
        conversation_version, because, subscription_id, notified_at)
    SELECT * FROM unnest(
        $27::text[], $28::text[], $29::text[], $30::text[], $31::text[], $32::int[], $33::text[], $34::text[],
        $35::timestamptz[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""

# What came to be known of a message after it: its own table, because it may also come before it.
_DETAILS = """
known AS (
    INSERT INTO message_detail (practice_id, message_id, name, changed_at, content)
    SELECT * FROM unnest($36::text[], $37::text[], $38::text[], $39::timestamptz[], $40::jsonb[])
    ON CONFLICT (practice_id, message_id, name) DO UPDATE SET
        changed_at = excluded.changed_at, content = excluded.content
    WHERE message_detail.changed_at < excluded.changed_at
    RETURNING 1
)"""

_OUTCOMES = """
came_of AS (
    INSERT INTO action_outcome SELECT * FROM unnest($41::text[], $42::text[], $43::jsonb[])
    ON CONFLICT DO NOTHING RETURNING 1
)"""

_LINKS = """
linked AS (
    INSERT INTO conversation_link SELECT * FROM unnest($44::text[], $45::text[], $46::text[], $47::timestamptz[])
    ON CONFLICT (practice_id, conversation_id) DO UPDATE SET
        linked_to = excluded.linked_to, linked_at = excluded.linked_at
    WHERE conversation_link.linked_at <= excluded.linked_at
    RETURNING 1
)"""

_STATEMENT = f"{_CONVERSATIONS}, {_MESSAGES}, {_NOTIFICATIONS}, {_DETAILS}, {_OUTCOMES}, {_LINKS}"

_KNOWN = f"""
SELECT asked.*, version, is_open, inbox_kind, inbox_id, reason, location, audience, is_named, given_name, family_name,
    is_said, settings_version, arranged.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS asked (practice_id, conversation_id, patient_id, message_id, practice)
LEFT JOIN LATERAL (
    SELECT version, is_open, inbox_kind, inbox_id, reason, location, audience FROM conversation
    WHERE practice_id = asked.practice_id AND conversation_id = asked.conversation_id LIMIT 1
) AS conversation ON true
LEFT JOIN LATERAL (
    SELECT true AS is_named, given_name, family_name FROM patient
    WHERE practice_id = asked.practice_id AND patient_id = asked.patient_id LIMIT 1
) AS patient ON true
LEFT JOIN LATERAL (
    SELECT true AS is_said FROM thread_message
    WHERE practice_id = asked.practice_id AND message_id = asked.message_id LIMIT 1
) AS message ON true
LEFT JOIN LATERAL (SELECT settings_version FROM practice WHERE practice_id = asked.practice LIMIT 1) AS settings ON true
LEFT JOIN LATERAL ({ARRANGED}) AS arranged ON true
"""

Key = tuple[str, str]
"""A practice, and the id of something of its own."""
Asked = tuple[str, str, str, str | None]
"""A practice, and of it a conversation, its patient and a message, if it is about one."""
Shown = RoutedMessageV1 | ConversationUpdatedV1
Outcome = ConversationUpdatedV1 | ConversationActionRejectedV1


@dataclass(frozen=True, slots=True)
class KnownConversation:
    """What we have of a conversation already."""

    version: int
    listing: Listing


@dataclass(frozen=True, slots=True)
class Known:
    """What we have already of what was asked about, by practice and id. What we have not is left out."""

    conversations: Mapping[Key, KnownConversation]
    names: Mapping[Key, PatientName]
    messages: Collection[Key]
    """Those that are in a thread."""
    settings_versions: Mapping[str, int]
    """Of the practices."""
    arrangements: Mapping[str, Arrangement]


async def known_of(connection: "Connection", asked: Collection[Asked]) -> Known:
    """What we have of these conversations, of their patients' names, of these messages and of their practices. One query."""
    one_of = {one[0]: one for one in asked}  # each practice is told once
    rows = await connection.fetch(
        _KNOWN, *columns([(*one, one[0] if one is one_of[one[0]] else None) for one in asked], 5)
    )
    told = [row for row in rows if row["practice"] is not None]
    return Known(
        {
            (row["practice_id"], row["conversation_id"]): KnownConversation(row["version"], listing_from(row))
            for row in rows
            if row["version"] is not None
        },
        {
            (row["practice_id"], row["patient_id"]): PatientName(
                given_name=row["given_name"], family_name=row["family_name"]
            )
            for row in rows
            if row["is_named"]
        },
        {(row["practice_id"], row["message_id"]) for row in rows if row["is_said"]},
        {row["practice"]: row["settings_version"] for row in told if row["settings_version"] is not None},
        {row["practice"]: arrangement_from(row) for row in told if row["since"] is not None},
    )


def listing_from(row: "Row") -> Listing:
    """Where a row of `conversation` is listed."""
    return Listing(
        status="open" if row["is_open"] else "closed",
        destination=Destination(kind=row["inbox_kind"], id=row["inbox_id"]),
        reason_id=from_json(row["reason"])["id"],
        location_id=from_json(row["location"])["id"],
        audience=tuple(row["audience"]),
    )


async def known_details(connection: "Connection", asked: Sequence[MessageUpdatedV1]) -> set[str]:
    """Which of these changes say nothing newer of a message than what we have. Few batches have one."""
    if not asked:
        return set()
    rows = await connection.fetch(
        """
        SELECT change_id FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
            AS asked (practice_id, message_id, name, changed_at, change_id)
        CROSS JOIN LATERAL (
            SELECT FROM message_detail
            WHERE practice_id = asked.practice_id AND message_id = asked.message_id AND name = asked.name
                AND changed_at >= asked.changed_at LIMIT 1
        ) AS known
        """,
        *columns([(*_detail(one)[:4], one.change_id) for one in asked], 5),
    )
    return {row["change_id"] for row in rows}


async def project(batch: Batch, history: Sequence[History], publish: Sequence[Outgoing]) -> None:
    """Write a batch of the history, in one statement."""
    changes = [one for one in history if isinstance(one, Shown)]
    messages = [one for one in changes if isinstance(one, RoutedMessageV1)]
    updates = [one for one in changes if isinstance(one, ConversationUpdatedV1)]
    replies = [_staff_message(one, one.reply) for one in updates if one.reply is not None]
    details = [_detail(one) for one in history if isinstance(one, MessageUpdatedV1)]
    details += [row for row in map(_transcript, updates) if row is not None]
    outcomes = [one for one in history if isinstance(one, Outcome) and one.actor.kind == "staff"]
    await batch.write(
        _STATEMENT,
        *columns(_conversations(changes), 15),
        *columns([*map(_patient_message, messages), *replies], 11),
        *columns([row for one in messages for row in _notifications(one)], 9),
        *columns(list({row[:3]: row for row in details}.values()), 5),
        *columns([(one.practice_id, one.change_id, one.model_dump_json()) for one in outcomes], 3),
        *columns(list({row[:2]: row for row in map(_link, updates) if row is not None}.values()), 4),
        publish=publish,
    )


def read_version_of(event: Shown) -> int:
    """Up to which version `event` shows that staff have read the conversation: an answer, and a close, say so."""
    is_read = (
        isinstance(event, ConversationUpdatedV1)
        and event.change in {"replied", "closed"}
        and event.actor.kind == "staff"
    )
    return event.conversation_version if is_read else 0


def _conversations(changes: Sequence[Shown]) -> list[tuple[object, ...]]:
    """One row for each conversation, in the order of the key: two writers cannot wait for each other."""
    by_conversation: dict[tuple[str, str], list[Shown]] = {}
    for one in sorted(changes, key=lambda one: one.conversation_version):
        by_conversation.setdefault((one.practice_id, one.conversation_id), []).append(one)
    return [_conversation(run) for _, run in sorted(by_conversation.items())]


def _conversation(run: Sequence[Shown]) -> tuple[object, ...]:
    now = run[-1]
    listing = listing_of(now)
    labels = (now.reason.model_dump_json(), now.location.model_dump_json(), now.provider.model_dump_json())
    return (
        now.practice_id, now.conversation_id, now.patient_id, now.conversation_version, listing.status == "open",
        now.destination.kind, now.destination.id, *labels, ",".join(listing.audience), ",".join(inboxes_of(listing)),
        max((one.conversation_version for one in run if isinstance(one, RoutedMessageV1)), default=0),
        max(map(read_version_of, run)),
        max(one.received_at if isinstance(one, RoutedMessageV1) else one.occurred_at for one in run),
    )  # fmt: skip


def _patient_message(one: RoutedMessageV1) -> tuple[object, ...]:
    return (
        one.practice_id, one.message_id, one.conversation_id, "patient", None, one.channel, one.body,
        to_json(one.attachments).decode(), one.reason.model_dump_json(), one.received_at, one.urgent,
    )  # fmt: skip


def _staff_message(one: ConversationUpdatedV1, reply: StaffReply) -> tuple[object, ...]:
    return (
        one.practice_id, reply.message_id, one.conversation_id, "staff", one.actor.id, reply.channel, reply.body,
        to_json(reply.attachments).decode(), None, one.occurred_at, False,
    )  # fmt: skip


def _detail(one: MessageUpdatedV1) -> tuple[object, ...]:
    name = "delivery" if one.attachment is None else f"attachment:{one.attachment.id}"
    content = to_json(one.delivery if one.attachment is None else one.attachment).decode()
    return one.practice_id, one.message_id, name, one.occurred_at, content


def _transcript(one: ConversationUpdatedV1) -> tuple[object, ...] | None:
    if one.transcript is None:
        return None
    return (
        one.practice_id, one.transcript.message_id, "transcript", one.occurred_at, to_json(one.transcript.text).decode(),
    )  # fmt: skip


def _link(one: ConversationUpdatedV1) -> tuple[object, ...] | None:
    """The conversation that this one goes on in, if that is what happened."""
    if one.to_patient_id is None:
        return None
    return one.practice_id, one.conversation_id, conversation_id(one.practice_id, one.to_patient_id), one.occurred_at


def _notifications(one: RoutedMessageV1) -> list[tuple[object, ...]]:
    return [
        (
            one.practice_id, it.notification_id, it.staff_id, one.message_id, one.conversation_id,
            one.conversation_version, it.because, it.subscription_id, one.decided_at,
        )
        for it in notifications_of(one)
    ]  # fmt: skip
