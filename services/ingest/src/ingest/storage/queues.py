"""Work for all practices that waits in PostgreSQL: taken on lease, settled, or put off.

A queue holds ids and times only, so it has no row-level security: whoever takes work asks for all practices at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

Work = tuple[str, str]
"""The practice and the id of what is to be done."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A table with the columns serial, practice_id, due_at, attempts, and `key`, which says what is to be done."""

    table: str
    key: str
    lease: timedelta
    """How long work is one taker's. If that one dies meanwhile, another does it."""
    condition: str = "true"
    """What else must hold of `due` to be taken."""


async def take(pool: "Pool", queue: Queue, limit: int) -> Mapping[Work, int]:
    """Take work that is due, the first first; how often each was tried before."""
    rows = await pool.fetch(
        f"UPDATE {queue.table} SET due_at = now() + $2 WHERE serial IN ("
        f"SELECT serial FROM {queue.table} AS due WHERE due_at <= now() AND {queue.condition} "
        f"ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED"
        f") RETURNING practice_id, {queue.key}, attempts",
        limit, queue.lease,
    )  # fmt: skip
    return {(row["practice_id"], row[queue.key]): row["attempts"] for row in rows}


async def put_off(pool: "Pool", queue: Queue, work: Work, wait: timedelta) -> None:
    """It was tried in vain, and is not given up."""
    await pool.execute(
        f"UPDATE {queue.table} SET due_at = now() + $3, attempts = attempts + 1 "
        f"WHERE practice_id = $1 AND {queue.key} = $2",
        *work, wait,
    )  # fmt: skip


async def settle(connection: "Connection", queue: Queue, work: Work) -> None:
    """It is done, or given up: with the caller's transaction."""
    await connection.execute(f"DELETE FROM {queue.table} WHERE practice_id = $1 AND {queue.key} = $2", *work)
