"""Texts to patients: addresses, consent, the reason menu, and the queue of what has to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ingest.storage.queues import Queue, Work, settle, take
from shared_database import practice_scope
from shared_schemas.conversation_changes import Delivery

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

Kind = Literal["reply", "menu", "keyword_answer", "emergency"]
"""What a text is: only of a reply staff are told what became of it, only an answer to STOP is sent after STOP."""

TEXT_QUEUE = Queue(
    "text_queue",
    "text_id",
    lease=timedelta(minutes=1),
    condition="""NOT EXISTS (
        SELECT FROM text_queue AS earlier
        WHERE (earlier.practice_id, earlier.patient_id) = (due.practice_id, due.patient_id)
            AND earlier.serial < due.serial
    )""",
)
"""Texts to send: of each patient the oldest, so they arrive in the order in which they were written."""

TEXTS = """
offered AS (
    INSERT INTO reason_menu
    SELECT practice_id, patient_id, string_to_array(reason_ids, ','), offered_at
    FROM unnest($14::text[], $15::text[], $16::text[], $17::timestamptz[])
        AS new (practice_id, patient_id, reason_ids, offered_at)
    ON CONFLICT (practice_id, patient_id) DO UPDATE SET
        reason_ids = excluded.reason_ids, offered_at = excluded.offered_at
    RETURNING 1
), written AS (
    INSERT INTO outgoing_text (practice_id, patient_id, text_id, body, made_at, kind)
    SELECT * FROM unnest($18::text[], $19::text[], $20::text[], $21::text[], $22::timestamptz[], $23::text[])
        AS new (practice_id, patient_id, text_id, body, made_at, kind)
    -- Whoever reads the history again from its beginning must not text yesterday's answers.
    WHERE made_at > now() - interval '1 day'
    ON CONFLICT DO NOTHING
    RETURNING practice_id, patient_id, text_id, made_at
), queued AS (
    INSERT INTO text_queue (practice_id, patient_id, text_id, due_at)
    SELECT practice_id, patient_id, text_id, now() FROM written ORDER BY made_at
    RETURNING 1
)"""
"""CTEs of the statement that keeps the history: menus from $14 on, texts from $18 to $23."""


@dataclass(frozen=True, slots=True)
class OfferedMenu:
    """A reason menu that a patient is texted, in the order of the table's columns."""

    practice_id: str
    patient_id: str
    reason_ids: str
    """In the order of their numbers, with commas between."""
    offered_at: datetime


@dataclass(frozen=True, slots=True)
class NewText:
    """A text to a patient, in the order of the statement's columns."""

    practice_id: str
    patient_id: str
    text_id: str
    body: str
    made_at: datetime
    kind: Kind


@dataclass(frozen=True, slots=True)
class DueText:
    """A text that has to be sent now. Without `phone` nobody knows where to."""

    practice_id: str
    patient_id: str
    text_id: str
    kind: Kind
    attempts: int
    made_at: datetime
    body: str
    phone: str | None
    channel_id: str | None
    is_wanted: bool
    """The phone has not said STOP, or this is what it is told of that."""

    @property
    def work(self) -> Work:
        """What it is in the queue."""
        return self.practice_id, self.text_id


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text that was handed to a provider, as it is when something is told of it."""

    patient_id: str
    kind: Kind
    status: str | None


async def has_opted_out(pool: "Pool", practice_id: str, phone: str) -> bool:
    """Whether a phone has said STOP, and not START since."""
    async with practice_scope(pool, practice_id) as connection:
        found: bool = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM text_consent WHERE practice_id = $1 AND phone = $2 AND NOT is_given)",
            practice_id, phone,
        )  # fmt: skip
    return found


async def save_consent(connection: "Connection", practice_id: str, phone: str, *, is_given: bool, at: datetime) -> bool:
    """Keep that a phone wants texts, or wants none; whether that is news. Nobody has said anything: texts are wanted."""
    changed = await connection.fetchval(
        "INSERT INTO text_consent SELECT $1, $2, $3, $4 "
        "WHERE NOT $3 OR EXISTS (SELECT FROM text_consent WHERE practice_id = $1 AND phone = $2) "
        "ON CONFLICT (practice_id, phone) DO UPDATE SET is_given = excluded.is_given, changed_at = excluded.changed_at "
        "WHERE text_consent.is_given <> excluded.is_given RETURNING 1",
        practice_id, phone, is_given, at,
    )  # fmt: skip
    return changed is not None


async def queue_answer(connection: "Connection", text: NewText, phone: str, channel_id: str) -> None:
    """Put a text to this very phone into the queue, with the caller's transaction. The same again changes nothing.

    It waits for no earlier text to the patient, which a provider may refuse for hours: in the queue it is nobody's.
    """
    await connection.execute(
        """
        WITH written AS (
            INSERT INTO outgoing_text (practice_id, patient_id, text_id, body, made_at, kind, phone, channel_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1
        )
        INSERT INTO text_queue (practice_id, patient_id, text_id, due_at) SELECT $1, $3, $3, now() FROM written
        """,
        text.practice_id, text.patient_id, text.text_id, text.body, text.made_at, text.kind, phone, channel_id,
    )  # fmt: skip


async def menu_of(pool: "Pool", practice_id: str, patient_id: str) -> Sequence[str]:
    """The reason ids of the last menu that a patient was texted; none where there was no menu."""
    async with practice_scope(pool, practice_id) as connection:
        reason_ids: list[str] | None = await connection.fetchval(
            "SELECT reason_ids FROM reason_menu WHERE practice_id = $1 AND patient_id = $2", practice_id, patient_id
        )
    return reason_ids or ()


async def take_texts(pool: "Pool", limit: int) -> list[DueText]:
    """Take texts that are due."""
    attempts = await take(pool, TEXT_QUEUE, limit)
    if not attempts:
        return []
    practices, texts = zip(*attempts, strict=True)
    async with practice_scope(pool, *set(practices)) as connection:
        found = await connection.fetch(
            """
            SELECT practice_id, patient_id, text_id, kind, made_at, body, phone, channel_id,
                kind = 'keyword_answer' OR coalesce(is_given, true) AS is_wanted
            FROM (
                SELECT practice_id, patient_id, text_id, kind, made_at, body,
                    coalesce(outgoing_text.phone, text_address.phone) AS phone,
                    coalesce(outgoing_text.channel_id, text_address.channel_id) AS channel_id
                FROM outgoing_text
                JOIN unnest($1::text[], $2::text[]) AS asked (practice_id, text_id) USING (practice_id, text_id)
                LEFT JOIN text_address USING (practice_id, patient_id)
            ) AS addressed LEFT JOIN text_consent USING (practice_id, phone)
            """,
            practices, texts,
        )  # fmt: skip
    return [DueText(attempts=attempts[row["practice_id"], row["text_id"]], **row) for row in found]


async def text_for_report(
    connection: "Connection", practice_id: str, text_id: str, provider_message_id: str
) -> KnownText | None:
    """The text that a provider tells something of, locked; None where it is none of ours, or another of the provider's."""
    row = await connection.fetchrow(
        "SELECT patient_id, kind, status FROM outgoing_text WHERE practice_id = $1 AND text_id = $2 "
        "AND coalesce(provider_message_id, $3) = $3 FOR UPDATE",
        practice_id, text_id, provider_message_id,
    )  # fmt: skip
    return None if row is None else KnownText(**row)


async def save_report(
    connection: "Connection", practice_id: str, text_id: str, provider_message_id: str, delivery: Delivery
) -> None:
    """How far a text has come."""
    await connection.execute(
        "UPDATE outgoing_text SET status = $4, failure = $5, provider_code = $6, provider_message_id = $3 "
        "WHERE practice_id = $1 AND text_id = $2",
        practice_id, text_id, provider_message_id, delivery.status, delivery.failure, delivery.provider_code,
    )  # fmt: skip


async def mark_sent(connection: "Connection", text: DueText, provider_message_id: str | None, at: datetime) -> bool:
    """The provider has it; False when more than that is known of it already: callbacks may be faster than answers."""
    status = await connection.fetchval(
        "UPDATE outgoing_text SET sent_at = $3, provider_message_id = $4, status = coalesce(status, 'sent') "
        "WHERE practice_id = $1 AND text_id = $2 RETURNING status",
        text.practice_id, text.text_id, at, provider_message_id,
    )  # fmt: skip
    await settle(connection, TEXT_QUEUE, text.work)
    return bool(status == "sent")


async def mark_failed(connection: "Connection", text: DueText, delivery: Delivery) -> None:
    """It is given up: a dead letter, until somebody sends it again."""
    await connection.execute(
        "UPDATE outgoing_text SET status = 'failed', failure = $3, provider_code = $4 "
        "WHERE practice_id = $1 AND text_id = $2",
        text.practice_id, text.text_id, delivery.failure, delivery.provider_code,
    )  # fmt: skip
    await settle(connection, TEXT_QUEUE, text.work)


async def failed_texts(pool: "Pool", practice_id: str, limit: int) -> list[dict[str, object]]:
    """The newest texts that could not be sent, without what they say and to whom."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT text_id, patient_id, kind, made_at, failure, provider_code FROM outgoing_text "
            "WHERE practice_id = $1 AND status = 'failed' ORDER BY made_at DESC, text_id LIMIT $2",
            practice_id, limit,
        )  # fmt: skip
    return [dict(row) for row in rows]


async def send_again(pool: "Pool", practice_id: str, text_id: str) -> bool:
    """Put a text that failed into the queue again; False when there is no such one."""
    async with practice_scope(pool, practice_id) as connection:
        queued = await connection.fetchval(
            """
            WITH revived AS (
                UPDATE outgoing_text SET status = NULL, failure = NULL, provider_code = NULL, provider_message_id = NULL
                WHERE practice_id = $1 AND text_id = $2 AND status = 'failed' RETURNING patient_id
            )
            INSERT INTO text_queue (practice_id, patient_id, text_id, due_at)
            SELECT $1, patient_id, $2, now() FROM revived ON CONFLICT DO NOTHING RETURNING 1
            """,
            practice_id, text_id,
        )  # fmt: skip
    return queued is not None
