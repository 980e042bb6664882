"""What webhook endpoints still have to be sent, who works for which of them, and what became of it."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from notifier.storage.notices import NOTICES, NewNotice
from notifier.storage.webhook_endpoints import DisabledBecause, Endpoint, read_endpoint
from notifier.views import WebhookDelivery
from shared_database import columns, practice_scope
from shared_messaging import Batch

if TYPE_CHECKING:
    from shared_database.pools import Pool

LEASE = timedelta(minutes=1)
"""How long an endpoint is one sender's, from its last sign of life. If that one dies, another goes on after this."""
KEPT = timedelta(days=7)
"""How long an event can be sent again, and the log of its deliveries be read."""

_WEBHOOKS = """
kept AS (
    INSERT INTO webhook_event (practice_id, event_id, name, happened_at, data, conversation_id)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[], $6::text[])
    ON CONFLICT DO NOTHING RETURNING 1
), owed AS (
    INSERT INTO webhook_delivery (practice_id, endpoint_id, event_id, due_at)
    SELECT * FROM unnest($7::text[], $8::text[], $9::text[], $10::timestamptz[])
    ON CONFLICT DO NOTHING RETURNING practice_id, endpoint_id, due_at
), woken AS (
    UPDATE webhook_lane SET due_at = least(webhook_lane.due_at, owed.due_at) FROM owed
    WHERE (webhook_lane.practice_id, webhook_lane.endpoint_id) = (owed.practice_id, owed.endpoint_id)
    RETURNING 1
)"""


@dataclass(frozen=True, slots=True)
class Lane:
    """An endpoint that is ours to work for, and how often it has failed in a row."""

    practice_id: str
    endpoint_id: str
    failures: int


@dataclass(frozen=True, slots=True)
class Due:
    """Something that an endpoint has to be sent now."""

    event_id: str
    name: str
    happened_at: datetime
    data: bytes
    """Sealed."""
    attempts: int
    """So far."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a call went: the status of the answer, or why there was none."""

    at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    retry_after: timedelta | None = None

    @property
    def is_done(self) -> bool:
        """The endpoint has taken it."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to keep, in the order of the table's columns."""

    practice_id: str
    event_id: str
    name: str
    happened_at: datetime
    data: bytes
    conversation_id: str | None
    """None for what is about no patient."""


async def queue(
    batch: Batch,
    events: Sequence[NewEvent],
    owed: Sequence[tuple[str, str, str]],
    now: datetime,
    notices: Sequence[NewNotice] = (),
) -> None:
    """Keep events, which (practice, endpoint, event) is owed, and who has to be told. The same again changes nothing."""
    await batch.write(
        f"{_WEBHOOKS}, {NOTICES}",
        *columns([astuple(one) for one in events], 6),
        *columns([(*one, now) for one in owed], 4),
        *columns([astuple(one) for one in notices], 9),
    )


async def lease_lanes(pool: "Pool", limit: int, now: datetime) -> list[Lane]:
    """Take endpoints that have something to do and are nobody's."""
    rows = await pool.fetch(
        """
        UPDATE webhook_lane SET held_until = $2::timestamptz + $3::interval WHERE (practice_id, endpoint_id) IN (
            SELECT practice_id, endpoint_id FROM webhook_lane WHERE due_at <= $2 AND held_until <= $2
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) RETURNING practice_id, endpoint_id, failures
        """,
        limit, now, LEASE,
    )  # fmt: skip
    return [Lane(**row) for row in rows]


async def due_of(pool: "Pool", lane: Lane, limit: int, now: datetime) -> tuple[Endpoint | None, list[Due]]:
    """The endpoint, and what it has to be sent now; nothing while it is disabled."""
    async with practice_scope(pool, lane.practice_id) as connection:
        endpoint = await read_endpoint(connection, lane.practice_id, lane.endpoint_id)
        if endpoint is None or endpoint.disabled_at is not None:
            return endpoint, []
        rows = await connection.fetch(
            """
            SELECT event_id, name, happened_at, data, attempts
            FROM webhook_delivery JOIN webhook_event USING (practice_id, event_id)
            WHERE practice_id = $1 AND endpoint_id = $2 AND state = 'pending' AND due_at <= $3
            ORDER BY due_at, serial LIMIT $4
            """,
            lane.practice_id, lane.endpoint_id, now, limit,
        )  # fmt: skip
    return endpoint, [Due(**row) for row in rows]


async def note_success(pool: "Pool", endpoint: Endpoint, due: Due, attempt: Attempt) -> None:
    """The endpoint has it; the lane stays ours."""
    key = (endpoint.practice_id, endpoint.endpoint_id)
    async with practice_scope(pool, endpoint.practice_id) as connection:
        await connection.execute(
            """
            WITH healed AS (
                UPDATE webhook_endpoint SET failing_since = NULL
                WHERE practice_id = $1 AND endpoint_id = $2 AND failing_since IS NOT NULL
            ), ours AS (
                UPDATE webhook_lane SET held_until = $4::timestamptz + $7::interval, failures = 0
                WHERE practice_id = $1 AND endpoint_id = $2
            )
            UPDATE webhook_delivery SET state = 'delivered', attempts = attempts + 1, attempted_at = $4, status = $5,
                error = NULL, milliseconds = $6
            WHERE practice_id = $1 AND endpoint_id = $2 AND event_id = $3
            """,
            *key, due.event_id, attempt.at, attempt.status, attempt.milliseconds, LEASE,
        )  # fmt: skip


async def note_failure(
    pool: "Pool",
    endpoint: Endpoint,
    due: Due,
    attempt: Attempt,
    due_at: datetime | None,
    disabled: DisabledBecause | None,
) -> None:
    """The endpoint did not take it: when it is tried again (None: never), and whether the endpoint is disabled."""
    key = (endpoint.practice_id, endpoint.endpoint_id)
    async with practice_scope(pool, endpoint.practice_id) as connection:
        await connection.execute(
            """
            UPDATE webhook_delivery SET state = CASE WHEN $4::timestamptz IS NULL THEN 'failed' ELSE state END,
                due_at = coalesce($4, due_at), attempts = attempts + 1, attempted_at = $5, status = $6, error = $7,
                milliseconds = $8
            WHERE practice_id = $1 AND endpoint_id = $2 AND event_id = $3
            """,
            *key, due.event_id, due_at, attempt.at, attempt.status, attempt.error, attempt.milliseconds,
        )  # fmt: skip
        await connection.execute(
            """
            UPDATE webhook_endpoint SET failing_since = coalesce(failing_since, $3),
                disabled_at = CASE WHEN $4::text IS NOT NULL THEN $3::timestamptz ELSE disabled_at END,
                disabled_because = coalesce($4, disabled_because)
            WHERE practice_id = $1 AND endpoint_id = $2
            """,
            *key, attempt.at, disabled,
        )  # fmt: skip
        await connection.execute(
            "UPDATE webhook_lane SET failures = failures + 1 WHERE practice_id = $1 AND endpoint_id = $2", *key
        )


async def release(pool: "Pool", lane: Lane, held_until: datetime) -> None:
    """Let others work for the endpoint after `held_until`, when something is due.

    First the lock, then the question: whoever queues something in between waits for us, and is seen by nobody else.
    """
    async with practice_scope(pool, lane.practice_id) as connection:
        key = (lane.practice_id, lane.endpoint_id)
        await connection.execute(
            "SELECT FROM webhook_lane WHERE practice_id = $1 AND endpoint_id = $2 FOR UPDATE", *key
        )
        await connection.execute(
            """
            UPDATE webhook_lane SET held_until = $3, due_at = coalesce((
                SELECT min(due_at) FROM webhook_delivery
                JOIN webhook_endpoint USING (practice_id, endpoint_id)
                WHERE practice_id = $1 AND endpoint_id = $2 AND state = 'pending' AND disabled_at IS NULL
            ), 'infinity') WHERE practice_id = $1 AND endpoint_id = $2
            """,
            *key, held_until,
        )  # fmt: skip


async def replay(pool: "Pool", endpoint: Endpoint, since: datetime, until: datetime, now: datetime) -> int:
    """Owe an endpoint again what happened in between of the events that it wants; how much that is."""
    key = (endpoint.practice_id, endpoint.endpoint_id)
    async with practice_scope(pool, endpoint.practice_id) as connection:
        done = await connection.execute(
            """
            INSERT INTO webhook_delivery (practice_id, endpoint_id, event_id, due_at)
            SELECT practice_id, $2, event_id, $6 FROM webhook_event
            WHERE practice_id = $1 AND happened_at >= $3 AND happened_at < $4 AND name = ANY ($5::text[])
            ORDER BY happened_at, event_id
            ON CONFLICT (practice_id, event_id, endpoint_id) DO UPDATE SET state = 'pending', attempts = 0,
                due_at = excluded.due_at
            """,
            *key, since, until, list(endpoint.events), now,
        )  # fmt: skip
        await connection.execute(
            "UPDATE webhook_lane SET due_at = least(due_at, $3) WHERE practice_id = $1 AND endpoint_id = $2", *key, now
        )
    return int(done.split()[-1])


async def deliveries_of(
    pool: "Pool",
    practice_id: str,
    endpoint_id: str,
    state: Literal["pending", "delivered", "failed"] | None,
    before: int | None,
    limit: int,
) -> list[WebhookDelivery]:
    """The log of an endpoint, the newest first, from before a serial on."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            """
            SELECT serial, event_id, name AS event, happened_at, state, attempts, attempted_at, status, error,
                milliseconds, CASE WHEN state = 'pending' THEN due_at END AS next_attempt_at
            FROM webhook_delivery JOIN webhook_event USING (practice_id, event_id)
            WHERE practice_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR state = $3)
                AND serial < coalesce($4, 9223372036854775807)
            ORDER BY serial DESC LIMIT $5
            """,
            practice_id, endpoint_id, state, before, limit,
        )  # fmt: skip
    return [WebhookDelivery.model_validate(dict(row)) for row in rows]


async def forget(pool: "Pool", now: datetime) -> None:
    """Remove what is older than `KEPT`, with its deliveries."""
    rows = await pool.fetch("SELECT DISTINCT practice_id FROM webhook_lane")
    practices = [row["practice_id"] for row in rows]
    async with practice_scope(pool, *practices) as connection:
        await connection.execute(
            """
            WITH gone AS (
                DELETE FROM webhook_event WHERE practice_id = ANY ($1::text[]) AND happened_at < $2
                RETURNING practice_id, event_id
            )
            DELETE FROM webhook_delivery USING gone
            WHERE (webhook_delivery.practice_id, webhook_delivery.event_id) = (gone.practice_id, gone.event_id)
            """,
            practices, now - KEPT,
        )  # fmt: skip
