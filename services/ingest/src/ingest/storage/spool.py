"""The spool: events that were accepted while Kafka did not take them, in the order in which they came."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared_database import practice_scope
from shared_database.pools import SCOPE
from shared_messaging import Outgoing
from shared_messaging.outgoing import pack, unpack

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

_DRAINING = 4_716_203
"""The advisory lock of whoever drains; a number that nothing else in this database uses."""

# Positions are given in order and go in order: their span is how many there are, without counting. Places that a
# rolled-back insert left empty make it a little too large, never too small.
_KEEP = """
WITH place AS (
    INSERT INTO spooled (practice_id, ordering_key, spooled_at)
    SELECT $1, $2, $3 WHERE (SELECT coalesce(max(position) - min(position) + 1, 0) FROM spooled) < $5
    RETURNING position
)
INSERT INTO spooled_event SELECT $1, position, $4 FROM place RETURNING position
"""


@dataclass(frozen=True, slots=True)
class Spooled:
    """An event that waits."""

    position: int
    practice_id: str
    event: Outgoing


async def is_spooled(pool: "Pool", ordering_key: str) -> bool:
    """Whether an event of this key waits: then the next one must wait behind it."""
    found: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM spooled WHERE ordering_key = $1)", ordering_key)
    return found


async def keep_in_spool(
    pool: "Pool", practice_id: str, ordering_key: str, event: Outgoing, now: datetime, *, most: int
) -> bool:
    """Put an event at the end; durable on return. False when about `most` wait already."""
    async with practice_scope(pool, practice_id) as connection:
        return await add_to_spool(connection, practice_id, ordering_key, event, now, most=most)


async def add_to_spool(
    connection: "Connection", practice_id: str, ordering_key: str, event: Outgoing, now: datetime, *, most: int
) -> bool:
    """Put an event at the end, with the caller's transaction, which sees this practice. False as above."""
    place = await connection.fetchval(_KEEP, practice_id, ordering_key, now, pack([event]), most)
    return place is not None


async def spool_size(pool: "Pool") -> tuple[int, datetime | None]:
    """How many events wait, and since when the first of them does."""
    row = await pool.fetchrow("SELECT count(*), min(spooled_at) FROM spooled")
    return (row[0], row[1]) if row is not None else (0, None)


@asynccontextmanager
async def draining(
    pool: "Pool", most: int, *, at_most: timedelta
) -> AsyncGenerator[tuple["Connection", list[Spooled]]]:
    """The first events that wait, while nobody else drains; none when somebody does. Forgetting them is part of this
    transaction: pass the connection to `forget_spooled` once Kafka has them.

    PostgreSQL ends the transaction when nothing is heard of it for `at_most`: the lock of a process that is paused, or
    of a machine that is gone, must not keep the others from draining.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval(
            "SELECT set_config('idle_in_transaction_session_timeout', $1, true)",
            str(at_most // timedelta(milliseconds=1)),
        )
        yield connection, await _first(connection, most)


async def forget_spooled(connection: "Connection", spooled: Sequence[Spooled]) -> None:
    """Kafka has acknowledged these."""
    positions = [one.position for one in spooled]
    practices = [one.practice_id for one in spooled]
    await connection.execute("DELETE FROM spooled WHERE position = ANY ($1::bigint[])", positions)
    await connection.execute(
        "DELETE FROM spooled_event USING unnest($1::text[], $2::bigint[]) AS gone (practice_id, position) "
        "WHERE spooled_event.practice_id = gone.practice_id AND spooled_event.position = gone.position",
        practices,
        positions,
    )


async def _first(connection: "Connection", most: int) -> list[Spooled]:
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _DRAINING):
        return []
    waiting = await connection.fetch("SELECT position, practice_id FROM spooled ORDER BY position LIMIT $1", most)
    practices = {row["practice_id"] for row in waiting}
    await connection.fetchval("SELECT set_config($1, $2, true)", SCOPE, ",".join(practices))
    rows = await connection.fetch(
        "SELECT position, practice_id, event FROM spooled_event "
        "WHERE practice_id = ANY ($1::text[]) AND position = ANY ($2::bigint[]) ORDER BY position",
        list(practices),
        [row["position"] for row in waiting],
    )
    return [Spooled(row["position"], row["practice_id"], unpack(row["event"])[0]) for row in rows]
