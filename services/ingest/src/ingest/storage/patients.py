"""Our copies of patients, settings and conversations: what identity and the picker are decided from."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ingest.domain.picker import ConversationState
from ingest.storage.texts import TEXTS, NewText, OfferedMenu
from shared_database import columns, practice_scope
from shared_messaging import Batch
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1

if TYPE_CHECKING:
    from shared_database.pools import Pool

THREAD_PAGE = 200

_PATIENTS = """
kept AS (
    INSERT INTO patient
    SELECT practice_id, patient_id, birth_date, string_to_array(phones, ','), is_active, as_of
    FROM unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::boolean[], $6::timestamptz[])
        AS new (practice_id, patient_id, birth_date, phones, is_active, as_of)
    ON CONFLICT (practice_id, patient_id) DO UPDATE SET birth_date = excluded.birth_date, phones = excluded.phones,
        is_active = excluded.is_active, as_of = excluded.as_of
    WHERE patient.as_of <= excluded.as_of
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
        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[]
    ) ON CONFLICT DO NOTHING RETURNING 1
)"""


@dataclass(frozen=True, slots=True)
class Thread:
    """A patient's side of their conversation."""

    state: ConversationState
    messages: list[dict[str, Any]]


async def patients_with_phone(pool: "Pool", practice_id: str, phone: str) -> list[str]:
    """The active patients of a practice who have this phone (E.164)."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT patient_id FROM patient WHERE practice_id = $1 AND phones @> ARRAY[$2::text] AND is_active "
            "ORDER BY patient_id",
            practice_id,
            phone,
        )
    return [row["patient_id"] for row in rows]


async def patients_born_on(pool: "Pool", practice_id: str, phone: str, birth_date: date) -> list[str]:
    """The active patients with this phone and this date of birth."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT patient_id FROM patient WHERE practice_id = $1 AND phones @> ARRAY[$2::text] AND birth_date = $3 "
            "AND is_active ORDER BY patient_id",
            practice_id,
            phone,
            birth_date,
        )
    return [row["patient_id"] for row in rows]


async def settings_of(pool: "Pool", practice_id: str) -> RoutingSettingsPublishedV1:
    """The newest settings that we have of a practice; the defaults while there are none."""
    async with practice_scope(pool, practice_id) as connection:
        body = await connection.fetchval("SELECT body FROM settings WHERE practice_id = $1", practice_id)
    if body is None:
        return RoutingSettingsPublishedV1(practice_id=practice_id)
    return RoutingSettingsPublishedV1.model_validate_json(body)


async def thread_of(pool: "Pool", practice_id: str, patient_id: str) -> Thread:
    """The state of a patient's conversation, and its newest messages, the oldest of them first."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT * FROM conversation WHERE practice_id = $1 AND patient_id = $2", practice_id, patient_id
        )
        messages = await connection.fetch(
            "SELECT message_id, sender, body, sent_at FROM thread_message "
            "WHERE practice_id = $1 AND patient_id = $2 ORDER BY sent_at DESC, message_id LIMIT $3",
            practice_id,
            patient_id,
            THREAD_PAGE,
        )
    state = ConversationState()
    if row is not None:
        has_unread = row["unread_practice_message_id"] is not None
        state = ConversationState(row["is_open"], row["reason_id"], row["last_message_at"], has_unread)
    return Thread(state, [dict(message) for message in reversed(messages)])


async def save_patients(batch: Batch, events: Sequence[PatientSyncedV1]) -> None:
    """Keep the newest of each patient."""
    newest = {(one.practice_id, one.patient_id): one for one in sorted(events, key=lambda one: one.as_of)}
    rows = [
        (*key, one.birth_date, ",".join(one.phones), one.active and one.merged_into is None, one.as_of)
        for key, one in sorted(newest.items())
    ]
    await batch.write(_PATIENTS, *columns(rows, 6))


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
    messages = {row[2]: row for row in map(_message, events) if row is not None}
    await batch.write(
        f"{_HISTORY}, {TEXTS}",
        *columns([_state(key, history) for key, history in sorted(states.items())], 7),
        *columns(list(messages.values()), 6),
        *columns([astuple(one) for one in {(one.practice_id, one.patient_id): one for one in menus}.values()], 4),
        *columns([astuple(one) for one in texts], 5),
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
        return one.practice_id, one.patient_id, one.message_id, "patient", one.body, one.received_at
    if one.reply is not None:
        return one.practice_id, one.patient_id, one.reply.message_id, "practice", one.reply.body, one.occurred_at
    return None
