"""Our copies of patients, settings and conversations: what identity and the picker are decided from."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from ingest.domain.picker import ConversationState
from ingest.storage.contacts import LINKS
from ingest.storage.texts import TEXTS, NewText, OfferedMenu
from shared_database import columns, practice_scope
from shared_messaging import Batch, Outgoing
from shared_schemas import ids
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

THREAD_PAGE = 200

_PATIENTS = """
kept AS (
    INSERT INTO patient
    SELECT practice_id, patient_id, birth_date, string_to_array(phones, ','), is_active, as_of, merged_into
    FROM unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::boolean[], $6::timestamptz[], $7::text[])
        AS new (practice_id, patient_id, birth_date, phones, is_active, as_of, merged_into)
    ON CONFLICT (practice_id, patient_id) DO UPDATE SET birth_date = excluded.birth_date, phones = excluded.phones,
        is_active = excluded.is_active, as_of = excluded.as_of, merged_into = excluded.merged_into
    WHERE patient.as_of <= excluded.as_of
    RETURNING 1
), moved AS (
    -- Who is logged in as a record that was merged goes on as the one that is left.
    UPDATE session SET patient_id = new.merged_into
    FROM unnest($1::text[], $2::text[], $7::text[]) AS new (practice_id, patient_id, merged_into)
    WHERE session.practice_id = new.practice_id AND session.patient_id = new.patient_id AND new.merged_into IS NOT NULL
    RETURNING 1
)"""

_SETTINGS = """
kept AS (
    INSERT INTO settings SELECT * FROM unnest($1::text[], $2::int[], $3::jsonb[])
    ON CONFLICT (practice_id) DO UPDATE SET version = excluded.version, body = excluded.body
    WHERE settings.version < excluded.version
    RETURNING 1
)"""

_HISTORY = """
state AS (
    INSERT INTO conversation SELECT * FROM unnest(
        $1::text[], $2::text[], $3::int[], $4::boolean[], $5::text[], $6::timestamptz[], $7::text[]
    )
    ON CONFLICT (practice_id, patient_id) DO UPDATE SET version = excluded.version, is_open = excluded.is_open,
        reason_id = excluded.reason_id,
        last_message_at = greatest(conversation.last_message_at, excluded.last_message_at),
        unread_practice_message_id = CASE excluded.unread_practice_message_id
            WHEN '' THEN NULL
            ELSE coalesce(excluded.unread_practice_message_id, conversation.unread_practice_message_id) END
    WHERE conversation.version < excluded.version
    RETURNING 1
), said AS (
    INSERT INTO thread_message SELECT * FROM unnest(
        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $28::text[], $29::jsonb[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""


@dataclass(frozen=True, slots=True)
class Thread:
    """A patient's side of their conversation."""

    state: ConversationState
    messages: list[dict[str, Any]]
    unread_message_id: str | None = None
    """The practice's last message, while the patient has not read it."""
    version: int = 0
    """Another one after each change."""


async def settings_of(pool: "Pool", practice_id: str) -> RoutingSettingsPublishedV1:
    """The newest settings that we have of a practice; the defaults while there are none."""
    async with practice_scope(pool, practice_id) as connection:
        body = await connection.fetchval("SELECT body FROM settings WHERE practice_id = $1", practice_id)
    if body is None:
        return RoutingSettingsPublishedV1(practice_id=practice_id)
    return RoutingSettingsPublishedV1.model_validate_json(body)


async def thread_of(pool: "Pool", practice_id: str, patient_id: str) -> Thread:
    """The state of a patient's conversation, and its newest messages, the oldest of them first; also those that the patient
    wrote and got under records that were merged into this one.
    """
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT * FROM conversation WHERE practice_id = $1 AND patient_id = $2", practice_id, patient_id
        )
        messages = await connection.fetch(
            """
            WITH RECURSIVE record AS (
                SELECT $2::text AS patient_id
                UNION  -- each once, so a ring of merges ends
                SELECT patient.patient_id FROM record
                JOIN patient ON practice_id = $1 AND merged_into = record.patient_id
            )
            SELECT message_id, sender, channel, body, attachments, sent_at FROM thread_message
            WHERE practice_id = $1 AND patient_id IN (SELECT patient_id FROM record)
            ORDER BY sent_at DESC, message_id LIMIT $3
            """,
            practice_id,
            patient_id,
            THREAD_PAGE,
        )
    shown = [dict(one) | {"attachments": from_json(one["attachments"])} for one in reversed(messages)]
    if row is None:
        return Thread(ConversationState(), shown)
    unread = row["unread_practice_message_id"]
    state = ConversationState(row["is_open"], row["reason_id"], row["last_message_at"], unread is not None)
    return Thread(state, shown, unread, row["version"])


async def note_message(pool: "Pool", message: MessageReceivedV1) -> None:
    """Show a patient what they just wrote before router has decided about it: it opens the conversation (D1)."""
    async with practice_scope(pool, message.practice_id) as connection:
        await connection.execute(
            "INSERT INTO thread_message VALUES ($1, $2, $3, 'patient', $4, $5, 'web', $6) ON CONFLICT DO NOTHING",
            message.practice_id, message.patient_id, message.message_id, message.body, message.received_at,
            to_json(message.attachments).decode(),
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO conversation (practice_id, patient_id, version, is_open, last_message_at) "
            "VALUES ($1, $2, 0, true, $3) ON CONFLICT (practice_id, patient_id) DO UPDATE SET is_open = true, "
            "last_message_at = greatest(conversation.last_message_at, excluded.last_message_at)",
            message.practice_id, message.patient_id, message.received_at,
        )  # fmt: skip


async def note_read(pool: "Pool", practice_id: str, patient_id: str, message_id: str) -> None:
    """The patient has read up to this message; a later one of the practice stays unread."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "UPDATE conversation SET unread_practice_message_id = NULL "
            "WHERE practice_id = $1 AND patient_id = $2 AND unread_practice_message_id = $3",
            practice_id, patient_id, message_id,
        )  # fmt: skip


async def forget_patients(connection: "Connection", keys: Sequence[tuple[str, str]]) -> None:
    """Who these (practice, patient) were. Repeating it is harmless, so it needs no fence."""
    if keys:
        await connection.execute(
            "DELETE FROM patient USING unnest($1::text[], $2::text[]) AS gone (practice_id, patient_id) "
            "WHERE patient.practice_id = gone.practice_id AND patient.patient_id = gone.patient_id",
            *columns(list(keys), 2),
        )


async def save_patients(batch: Batch, events: Sequence[PatientSyncedV1], publish: Sequence[Outgoing]) -> None:
    """Keep the newest of each patient."""
    newest = {(one.practice_id, one.patient_id): one for one in sorted(events, key=lambda one: one.as_of)}
    rows = [
        (*key, one.birth_date, ",".join(one.phones), one.active, one.as_of, one.merged_into)
        for key, one in sorted(newest.items())
    ]
    await batch.write(_PATIENTS, *columns(rows, 7), publish=publish)


async def save_settings(batch: Batch, events: Sequence[RoutingSettingsPublishedV1]) -> None:
    """Keep the newest settings of each practice."""
    newest = {one.practice_id: one for one in sorted(events, key=lambda one: one.version)}
    rows = [(practice, one.version, one.model_dump_json()) for practice, one in sorted(newest.items())]
    await batch.write(_SETTINGS, *columns(rows, 3))


async def settings_in(batch: Batch, practices: Collection[str]) -> dict[str, RoutingSettingsPublishedV1]:
    """The newest settings that we have of these practices; those without any are left out."""
    rows = await batch.connection.fetch(
        "SELECT practice_id, body FROM settings WHERE practice_id = ANY ($1::text[])", list(practices)
    )
    return {row["practice_id"]: RoutingSettingsPublishedV1.model_validate_json(row["body"]) for row in rows}


async def save_history(
    batch: Batch,
    events: Sequence[RoutedMessageV1 | ConversationUpdatedV1],
    menus: Sequence[OfferedMenu],
    texts: Sequence[NewText],
) -> None:
    """Keep the state of each conversation, the messages that the patient may read, and what is to be texted."""
    states: dict[tuple[str, str], list[RoutedMessageV1 | ConversationUpdatedV1]] = {}
    for one in events:
        states.setdefault((one.practice_id, one.patient_id), []).append(one)
    messages = list({row[2]: row for row in map(_message, events) if row is not None}.values())
    await batch.write(
        f"{_HISTORY}, {TEXTS}, {LINKS}",
        *columns([_state(key, history) for key, history in sorted(states.items())], 7),
        *columns([row[:6] for row in messages], 6),
        *columns([astuple(one) for one in {(one.practice_id, one.patient_id): one for one in menus}.values()], 4),
        *columns([astuple(one) for one in texts], 6),
        *columns(list({row[:2]: row for row in map(_link, events) if row is not None}.values()), 4),
        *columns([row[6:] for row in messages], 2),
    )


def _state(key: tuple[str, str], history: Sequence[RoutedMessageV1 | ConversationUpdatedV1]) -> tuple[object, ...]:
    """A conversation after its events of this batch. Unread: an id, "" for read, None for no change."""
    newest = max(history, key=lambda one: one.conversation_version)
    instants = [one.received_at for one in history if isinstance(one, RoutedMessageV1)]
    unread: str | None = None
    for one in history:
        if isinstance(one, ConversationUpdatedV1):
            unread = one.reply.message_id if one.reply else "" if one.read_message_id else unread
    is_open = isinstance(newest, RoutedMessageV1) or newest.status == "open"
    return (*key, newest.conversation_version, is_open, newest.reason.id, max(instants, default=None), unread)


def _message(one: RoutedMessageV1 | ConversationUpdatedV1) -> tuple[object, ...] | None:
    if isinstance(one, RoutedMessageV1):
        said = (one.message_id, "patient", one.body, one.received_at, one.channel, one.attachments)
    elif one.reply is not None:
        reply = one.reply
        said = (reply.message_id, "practice", reply.body, one.occurred_at, reply.channel, reply.attachments)
    else:
        return None
    return one.practice_id, one.patient_id, *said[:-1], to_json(said[-1]).decode()


def _link(one: RoutedMessageV1 | ConversationUpdatedV1) -> tuple[object, ...] | None:
    """Which patient a contact is, if that is what happened."""
    if isinstance(one, RoutedMessageV1) or one.to_patient_id is None or not ids.is_contact(one.patient_id):
        return None
    return one.practice_id, one.patient_id, one.to_patient_id, one.occurred_at
