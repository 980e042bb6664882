"""Who is to be asked next, over all practices. Several processes share the work by leases."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared_database.pools import Pool

LEASE = timedelta(seconds=60)
"""How long a connection stays with a process that says nothing any more."""
TROUBLED = 2
"""From so many failures in a row a connection waits with the others that have trouble."""

_CLAIM = """
UPDATE connection_owner SET leased_until = $1 + $4
WHERE connection_id IN (
    SELECT connection_id FROM connection_owner
    WHERE due_at <= $1 AND (leased_until IS NULL OR leased_until < $1) AND (failures >= $5) = $3
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING practice_id, connection_id, due_at, failures
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A connection that is to be asked now, by nobody else."""

    practice_id: str
    connection_id: str
    due_at: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many connections of a kind there are, and how they are."""

    kind: str
    connections: int
    failing: int
    never_succeeded: int
    oldest_success_at: datetime | None


async def claim_due(pool: "Pool", now: datetime, limit: int, *, troubled: bool) -> list[Due]:
    """Up to `limit` connections that are due, those that wait longest first; leased to the caller."""
    if limit <= 0:
        return []
    rows = await pool.fetch(_CLAIM, now, limit, troubled, LEASE, TROUBLED)
    return [Due(*row) for row in rows]


async def renew_leases(pool: "Pool", connection_ids: Collection[str], now: datetime) -> None:
    """Say that these are still being asked."""
    await pool.execute(
        "UPDATE connection_owner SET leased_until = $2 WHERE connection_id = ANY ($1::text[])",
        list(connection_ids),
        now + LEASE,
    )


async def settle(pool: "Pool", due: Due, due_at: datetime, failures: int) -> None:
    """The connection was asked; it is due again at `due_at`, or as it was made due meanwhile."""
    await pool.execute(
        "UPDATE connection_owner SET leased_until = NULL, failures = $4, "
        "due_at = CASE WHEN due_at = $2 THEN $3 ELSE due_at END WHERE connection_id = $1",
        due.connection_id,
        due.due_at,
        due_at,
        failures,
    )


async def make_due(pool: "Pool", connection_id: str, now: datetime) -> None:
    """Ask a connection as soon as possible."""
    await pool.execute("UPDATE connection_owner SET due_at = $2 WHERE connection_id = $1", connection_id, now)


async def next_due_at(pool: "Pool", troubled: Collection[bool]) -> datetime | None:
    """When the next connection is to be asked, of those that have trouble, of the others, or of both."""
    at: datetime | None = await pool.fetchval(
        "SELECT min(due_at) FROM connection_owner WHERE leased_until IS NULL AND (failures >= $1) = ANY ($2::boolean[])",
        TROUBLED,
        troubled,
    )
    return at


async def connection_of_sender(pool: "Pool", application: str, facility: str) -> tuple[str, str] | None:
    """Practice and connection whose messages come from this sender: the one that names more of it."""
    row = await pool.fetchrow(
        "SELECT practice_id, connection_id FROM connection_owner "
        "WHERE kind = 'hl7v2-mllp' AND sending_application IN ($1, '') AND sending_facility IN ($2, '') "
        "ORDER BY sending_application = '', sending_facility = '' LIMIT 1",
        application,
        facility,
    )
    return None if row is None else (row["practice_id"], row["connection_id"])


async def standings(pool: "Pool") -> list[Standing]:
    """All connections, by kind."""
    rows = await pool.fetch(
        "SELECT kind, count(*), count(*) FILTER (WHERE failures > 0), count(*) FILTER (WHERE last_success_at IS NULL), "
        "min(last_success_at) FROM connection_owner GROUP BY kind"
    )
    return [Standing(*row) for row in rows]
