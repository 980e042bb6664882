"""Texts to patients: addresses, consent, the reason menu, and the queue of what has to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool

LEASE = timedelta(minutes=1)
"""How long a text is one sender's. If that one dies meanwhile, the text is sent again by another."""

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
    INSERT INTO outgoing_text (practice_id, patient_id, text_id, body, made_at)
    SELECT * FROM unnest($18::text[], $19::text[], $20::text[], $21::text[], $22::timestamptz[])
        AS new (practice_id, patient_id, text_id, body, made_at)
    -- Whoever reads the history again from its beginning must not text yesterday's answers.
    WHERE made_at > now() - interval '1 day'
    ON CONFLICT DO NOTHING
    RETURNING practice_id, patient_id, text_id, made_at
), queued AS (
    INSERT INTO text_queue (practice_id, patient_id, text_id, due_at)
    SELECT practice_id, patient_id, text_id, now() FROM written ORDER BY made_at
    RETURNING 1
)"""
"""CTEs of the statement that keeps the history: menus from $14 on, texts from $18 on."""


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


@dataclass(frozen=True, slots=True)
class DueText:
    """A text that has to be sent now. Without `phone` nobody knows where to."""

    practice_id: str
    text_id: str
    attempts: int
    made_at: datetime
    body: str
    phone: str | None
    channel_id: str | None
    is_wanted: bool
    """The phone has not said STOP."""


async def save_address(pool: "Pool", practice_id: str, patient_id: str, phone: str, channel_id: str) -> None:
    """Keep where a patient texts from: answers go there, through the same channel."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO text_address VALUES ($1, $2, $3, $4) ON CONFLICT (practice_id, patient_id) "
            "DO UPDATE SET phone = excluded.phone, channel_id = excluded.channel_id "
            "WHERE (text_address.phone, text_address.channel_id) <> (excluded.phone, excluded.channel_id)",
            practice_id, patient_id, phone, channel_id,
        )  # fmt: skip


async def save_consent(pool: "Pool", practice_id: str, phone: str, *, is_given: bool, at: datetime) -> None:
    """Keep that a phone wants texts, or wants none."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO text_consent VALUES ($1, $2, $3, $4) ON CONFLICT (practice_id, phone) "
            "DO UPDATE SET is_given = excluded.is_given, changed_at = excluded.changed_at",
            practice_id, phone, is_given, at,
        )  # fmt: skip


async def menu_of(pool: "Pool", practice_id: str, patient_id: str) -> Sequence[str]:
    """The reason ids of the last menu that a patient was texted; none where there was no menu."""
    async with practice_scope(pool, practice_id) as connection:
        reason_ids: list[str] | None = await connection.fetchval(
            "SELECT reason_ids FROM reason_menu WHERE practice_id = $1 AND patient_id = $2", practice_id, patient_id
        )
    return reason_ids or ()


async def lease_texts(pool: "Pool", limit: int) -> list[DueText]:
    """Take texts that are due, of each patient the oldest: they arrive in the order in which they were written."""
    rows = await pool.fetch(
        """
        UPDATE text_queue SET due_at = now() + $2 WHERE serial IN (
            SELECT serial FROM text_queue AS due
            WHERE due_at <= now() AND NOT EXISTS (
                SELECT FROM text_queue AS earlier
                WHERE (earlier.practice_id, earlier.patient_id) = (due.practice_id, due.patient_id)
                    AND earlier.serial < due.serial
            )
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) RETURNING practice_id, text_id, attempts
        """,
        limit, LEASE,
    )  # fmt: skip
    practices = {row["practice_id"] for row in rows}
    if not practices:
        return []
    attempts = {(row["practice_id"], row["text_id"]): row["attempts"] for row in rows}
    async with practice_scope(pool, *practices) as connection:
        found = await connection.fetch(
            "SELECT practice_id, text_id, made_at, body, phone, channel_id, coalesce(is_given, true) AS is_wanted "
            "FROM outgoing_text "
            "JOIN unnest($1::text[], $2::text[]) AS asked (practice_id, text_id) USING (practice_id, text_id) "
            "LEFT JOIN text_address USING (practice_id, patient_id) LEFT JOIN text_consent USING (practice_id, phone)",
            [practice for practice, _ in attempts], [text for _, text in attempts],
        )  # fmt: skip
    return [DueText(attempts=attempts[row["practice_id"], row["text_id"]], **row) for row in found]


async def mark_sent(pool: "Pool", text: DueText, provider_message_id: str, at: datetime) -> None:
    """The provider has it."""
    async with practice_scope(pool, text.practice_id) as connection:
        await connection.execute(
            "UPDATE outgoing_text SET sent_at = $3, provider_message_id = $4 WHERE practice_id = $1 AND text_id = $2",
            text.practice_id, text.text_id, at, provider_message_id,
        )  # fmt: skip
        await connection.execute(_DONE, text.practice_id, text.text_id)


async def mark_failed(pool: "Pool", text: DueText, failure: str) -> None:
    """It is given up; `failure` says why, without anybody's data."""
    async with practice_scope(pool, text.practice_id) as connection:
        await connection.execute(
            "UPDATE outgoing_text SET failure = $3 WHERE practice_id = $1 AND text_id = $2",
            text.practice_id, text.text_id, failure,
        )  # fmt: skip
        await connection.execute(_DONE, text.practice_id, text.text_id)


async def try_later(pool: "Pool", text: DueText, wait: timedelta) -> None:
    """It is not given up."""
    await pool.execute(
        "UPDATE text_queue SET due_at = now() + $3, attempts = attempts + 1 WHERE practice_id = $1 AND text_id = $2",
        text.practice_id, text.text_id, wait,
    )  # fmt: skip


_DONE = "DELETE FROM text_queue WHERE practice_id = $1 AND text_id = $2"
