"""What people want to be told who are not looking, and what each still has to be told through which channel."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from notifier.domain.preferences import Channel, Preferences
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

LEASE = timedelta(minutes=1)
KEPT = timedelta(days=7)

NOTICES = """
noticed AS (
    INSERT INTO personal_notice
        (practice_id, notification_id, channel, staff_id, urgent, made_at, due_at, kind, about_id)
    SELECT * FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::timestamptz[],
        $17::timestamptz[], $18::text[], $19::text[])
    ON CONFLICT DO NOTHING RETURNING practice_id, staff_id, channel, due_at
), lanes AS (
    INSERT INTO notice_lane (practice_id, staff_id, channel, due_at)
    SELECT practice_id, staff_id, channel, min(due_at) FROM noticed
    GROUP BY practice_id, staff_id, channel ORDER BY practice_id, staff_id, channel
    ON CONFLICT (practice_id, staff_id, channel) DO UPDATE SET due_at = least(notice_lane.due_at, excluded.due_at)
    RETURNING 1
)"""
"""CTEs of the statement that keeps what has to be told; parameters $11 to $19."""

Outcome = Literal["sent", "off_duty", "failed"]
NoticeKind = Literal["message", "escalation", "endpoint"]
"""What a person is told of: an unseen message, an escalation that rings them, a webhook endpoint that was disabled."""

_WAITING = """
SELECT notice.notification_id, kind, urgent, notice.due_at <= $4 AS is_due,
    coalesce(notification.conversation_id, escalation.conversation_id, about_id) AS about_id,
    CASE kind
        WHEN 'message' THEN notification.notification_id IS NOT NULL AND notification.seen_at IS NULL
        WHEN 'escalation' THEN escalation.escalation_id IS NOT NULL AND escalation.ended IS NULL
        ELSE webhook_endpoint.disabled_at IS NOT NULL
    END AS is_waiting
FROM personal_notice AS notice
LEFT JOIN notification ON kind = 'message' AND notification.practice_id = notice.practice_id
    AND notification.notification_id = notice.notification_id
LEFT JOIN escalation ON kind = 'escalation' AND escalation.practice_id = notice.practice_id
    AND escalation.escalation_id = about_id
LEFT JOIN webhook_endpoint ON kind = 'endpoint' AND webhook_endpoint.practice_id = notice.practice_id
    AND endpoint_id = about_id
WHERE notice.practice_id = $1 AND notice.staff_id = $2 AND channel = $3 AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class NewNotice:
    """One person is to be told of one thing through one channel; in the order of the statement's columns."""

    practice_id: str
    notification_id: str
    """Of a message; of anything else an id of its own."""
    channel: Channel
    staff_id: str
    urgent: bool
    made_at: datetime
    due_at: datetime
    kind: NoticeKind = "message"
    about_id: str = ""
    """The escalation, or the endpoint."""


@dataclass(frozen=True, slots=True)
class NoticeLane:
    """A person and a channel that are ours to work for."""

    practice_id: str
    staff_id: str
    channel: Channel
    failures: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a person has to be told at once."""

    ringing: tuple[str, ...]
    """Notices of messages and escalations: whoever is off duty is not rung for them."""
    conversations: int
    """In how many conversations that is."""
    urgent: bool
    disabled: tuple[str, ...] = ()
    """Notices of webhook endpoints that were disabled, one each."""


async def preferences_of(connection: "Connection", practice_ids: Collection[str]) -> dict[tuple[str, str], Preferences]:
    """By practice and person; who has said nothing is left out."""
    rows = await connection.fetch(
        "SELECT * FROM notification_preference WHERE practice_id = ANY ($1::text[])", list(practice_ids)
    )
    return {(row["practice_id"], row["staff_id"]): Preferences.model_validate_json(row["preferences"]) for row in rows}


async def preference_of(pool: "Pool", practice_id: str, staff_id: str) -> Preferences:
    """One person's; the defaults for who has said nothing."""
    async with practice_scope(pool, practice_id) as connection:
        found = await connection.fetchval(
            "SELECT preferences FROM notification_preference WHERE practice_id = $1 AND staff_id = $2",
            practice_id,
            staff_id,
        )
    return Preferences.model_validate_json(found) if found is not None else Preferences()


async def save_preference(pool: "Pool", practice_id: str, staff_id: str, preferences: Preferences) -> None:
    """Keep what a person wants from now on. What waits already keeps its time."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO notification_preference VALUES ($1, $2, $3) "
            "ON CONFLICT (practice_id, staff_id) DO UPDATE SET preferences = excluded.preferences",
            practice_id,
            staff_id,
            preferences.model_dump_json(),
        )


async def lease_people(pool: "Pool", channels: Sequence[Channel], limit: int, now: datetime) -> list[NoticeLane]:
    """Take people who have to be told something, and are nobody's."""
    rows = await pool.fetch(
        """
        UPDATE notice_lane SET held_until = $2::timestamptz + $3::interval
        WHERE (practice_id, staff_id, channel) IN (
            SELECT practice_id, staff_id, channel FROM notice_lane
            WHERE due_at <= $2 AND held_until <= $2 AND channel = ANY ($4::text[])
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) RETURNING practice_id, staff_id, channel, failures
        """,
        limit, now, LEASE, list(channels),
    )  # fmt: skip
    return [NoticeLane(**row) for row in rows]


async def waiting_for(connection: "Connection", lane: NoticeLane, now: datetime) -> Waiting | None:
    """What a person has to be told now, with what would follow soon; None when nothing is due and waits.

    What was seen meanwhile, or is over, is told no more, ever.
    """
    key = (lane.practice_id, lane.staff_id, lane.channel)
    rows = await connection.fetch(_WAITING, *key, now)
    over = [row["notification_id"] for row in rows if not row["is_waiting"]]
    if over:
        await _close(connection, lane, over, "seen")
    rows = [row for row in rows if row["is_waiting"]]
    if not any(row["is_due"] for row in rows):
        return None
    ringing = [row for row in rows if row["kind"] != "endpoint"]
    return Waiting(
        tuple(row["notification_id"] for row in ringing),
        len({row["about_id"] for row in ringing}),
        any(row["urgent"] for row in ringing),
        tuple(row["notification_id"] for row in rows if row["kind"] == "endpoint"),
    )


async def note_told(
    connection: "Connection", lane: NoticeLane, notification_ids: Sequence[str], outcome: Outcome
) -> None:
    """These notices are done with."""
    await _close(connection, lane, notification_ids, outcome)


async def _close(connection: "Connection", lane: NoticeLane, notification_ids: Sequence[str], state: str) -> None:
    await connection.execute(
        "UPDATE personal_notice SET state = $4 WHERE practice_id = $1 AND channel = $2 "
        "AND notification_id = ANY ($3::text[]) AND state = 'pending'",
        lane.practice_id, lane.channel, list(notification_ids), state,
    )  # fmt: skip


async def release_person(pool: "Pool", lane: NoticeLane, held_until: datetime, failures: int) -> None:
    """Let others work for this person after `held_until`, when something is due. First the lock, then the question."""
    async with practice_scope(pool, lane.practice_id) as connection:
        key = (lane.practice_id, lane.staff_id, lane.channel)
        await connection.execute(
            "SELECT FROM notice_lane WHERE practice_id = $1 AND staff_id = $2 AND channel = $3 FOR UPDATE", *key
        )
        await connection.execute(
            """
            UPDATE notice_lane SET held_until = $4, failures = $5, due_at = coalesce((
                SELECT min(due_at) FROM personal_notice
                WHERE practice_id = $1 AND staff_id = $2 AND channel = $3 AND state = 'pending'
            ), 'infinity') WHERE practice_id = $1 AND staff_id = $2 AND channel = $3
            """,
            *key, held_until, failures,
        )  # fmt: skip


async def forget_notices(pool: "Pool", now: datetime) -> None:
    """Remove notices that are older than `KEPT`."""
    practices = [row["practice_id"] for row in await pool.fetch("SELECT DISTINCT practice_id FROM notice_lane")]
    async with practice_scope(pool, *practices) as connection:
        await connection.execute(
            "DELETE FROM personal_notice WHERE practice_id = ANY ($1::text[]) AND made_at < $2", practices, now - KEPT
        )
