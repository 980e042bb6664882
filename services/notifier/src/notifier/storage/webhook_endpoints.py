"""A practice's webhook endpoints."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from notifier.domain.webhooks import PayloadKind
from shared_database import practice_scope
from shared_schemas.staff_notifications import StreamEvent

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

DisabledBecause = Literal["asked", "gone", "failing"]
"""An administrator did it; the endpoint answered 410; it failed for too long."""

MOST_ENDPOINTS = 20
"""Of one practice."""


class TooMany(Exception):  # noqa: N818 - it says what is wrong
    """The practice has as many endpoints as it may have."""


@dataclass(frozen=True, slots=True)
class EndpointWish:
    """What an administrator says of an endpoint."""

    url: str
    events: tuple[StreamEvent, ...]
    payload: PayloadKind
    description: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, with its secrets sealed."""

    practice_id: str
    endpoint_id: str
    url: str
    events: tuple[StreamEvent, ...]
    payload: PayloadKind
    description: str
    secret: bytes
    earlier_secret: bytes | None
    earlier_until: datetime | None
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: DisabledBecause | None


async def endpoints_of(pool: "Pool", practice_id: str) -> list[Endpoint]:
    """All of a practice, the oldest first."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT * FROM webhook_endpoint WHERE practice_id = $1 ORDER BY created_at, endpoint_id", practice_id
        )
    return [_endpoint(row) for row in rows]


async def endpoint_of(pool: "Pool", practice_id: str, endpoint_id: str) -> Endpoint | None:
    """One of them; None when there is none of this id."""
    async with practice_scope(pool, practice_id) as connection:
        return await read_endpoint(connection, practice_id, endpoint_id)


async def read_endpoint(connection: "Connection", practice_id: str, endpoint_id: str) -> Endpoint | None:
    """The same, inside the caller's transaction."""
    row = await connection.fetchrow(
        "SELECT * FROM webhook_endpoint WHERE practice_id = $1 AND endpoint_id = $2", practice_id, endpoint_id
    )
    return _endpoint(row) if row is not None else None


async def wanted_by(connection: "Connection", practice_ids: Collection[str]) -> list[Endpoint]:
    """The endpoints of these practices, the disabled too."""
    rows = await connection.fetch(
        "SELECT * FROM webhook_endpoint WHERE practice_id = ANY ($1::text[])", list(practice_ids)
    )
    return [_endpoint(row) for row in rows]


async def add_endpoint(
    pool: "Pool", practice_id: str, endpoint_id: str, wish: EndpointWish, secret: bytes, at: datetime
) -> Endpoint:
    """Make an endpoint. Raises `TooMany`."""
    async with practice_scope(pool, practice_id) as connection:
        # Two requests at once must not both find room.
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('webhook endpoints of ' || $1::text))", practice_id
        )
        row = await connection.fetchrow(
            """
            INSERT INTO webhook_endpoint (practice_id, endpoint_id, url, events, payload, description, secret, created_at,
                disabled_at, disabled_because)
            SELECT $1, $2, $3, $4::text[], $5, $6, $7, $8::timestamptz, CASE WHEN NOT $9 THEN $8::timestamptz END,
                CASE WHEN NOT $9 THEN 'asked' END
            WHERE (SELECT count(*) FROM webhook_endpoint WHERE practice_id = $1) < $10 RETURNING *
            """,
            practice_id, endpoint_id, wish.url, list(wish.events), wish.payload, wish.description, secret, at,
            wish.is_enabled, MOST_ENDPOINTS,
        )  # fmt: skip
        if row is None:
            raise TooMany
        await connection.execute("INSERT INTO webhook_lane VALUES ($1, $2)", practice_id, endpoint_id)
    return _endpoint(row)


async def change_endpoint(
    pool: "Pool", practice_id: str, endpoint_id: str, wish: EndpointWish, at: datetime
) -> Endpoint | None:
    """Change an endpoint; None when there is none. Enabled again it has failed nothing, and gets what waits for it."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            """
            UPDATE webhook_endpoint SET url = $3, events = $4, payload = $5, description = $6,
                disabled_at = CASE WHEN NOT $7 THEN coalesce(disabled_at, $8) END,
                disabled_because = CASE WHEN NOT $7 THEN coalesce(disabled_because, 'asked') END,
                failing_since = CASE WHEN NOT $7 OR disabled_at IS NULL THEN failing_since END
            WHERE practice_id = $1 AND endpoint_id = $2 RETURNING *
            """,
            practice_id, endpoint_id, wish.url, list(wish.events), wish.payload, wish.description, wish.is_enabled, at,
        )  # fmt: skip
        if row is not None and wish.is_enabled:
            await connection.execute(
                "UPDATE webhook_lane SET due_at = $3, held_until = least(held_until, $3), failures = 0 "
                "WHERE practice_id = $1 AND endpoint_id = $2",
                practice_id, endpoint_id, at,
            )  # fmt: skip
    return _endpoint(row) if row is not None else None


async def change_secret(
    pool: "Pool", practice_id: str, endpoint_id: str, secret: bytes, earlier_until: datetime
) -> bool:
    """Give an endpoint a new secret; the one that it had signs as well until then. False when there is none."""
    async with practice_scope(pool, practice_id) as connection:
        done = await connection.execute(
            "UPDATE webhook_endpoint SET earlier_secret = secret, earlier_until = $4, secret = $3 "
            "WHERE practice_id = $1 AND endpoint_id = $2",
            practice_id, endpoint_id, secret, earlier_until,
        )  # fmt: skip
    return done == "UPDATE 1"


async def remove_endpoint(pool: "Pool", practice_id: str, endpoint_id: str) -> bool:
    """Remove an endpoint with its deliveries, and with the last one the events; False when there is none."""
    async with practice_scope(pool, practice_id) as connection:
        for table in ("webhook_delivery", "webhook_endpoint", "webhook_lane"):
            done = await connection.execute(
                f"DELETE FROM {table} WHERE practice_id = $1 AND endpoint_id = $2", practice_id, endpoint_id
            )
        await connection.execute(
            "DELETE FROM webhook_event WHERE practice_id = $1 "
            "AND NOT EXISTS (SELECT FROM webhook_endpoint WHERE practice_id = $1)",
            practice_id,
        )
    return done == "DELETE 1"


def _endpoint(row: "Row") -> Endpoint:
    values: dict[str, Any] = {**row, "events": tuple(row["events"])}
    return Endpoint(**values)
