"""Stream tickets: a browser's EventSource cannot send a header, so it brings a ticket that works once."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared_web import Principal

if TYPE_CHECKING:
    from shared_database.pools import Pool

LIFETIME = timedelta(seconds=30)


async def keep_ticket(pool: "Pool", ticket: str, caller: Principal, now: datetime) -> None:
    """Let `ticket` stand for the caller once, for thirty seconds."""
    await pool.execute("DELETE FROM stream_ticket WHERE expires_at < $1", now)
    await pool.execute(
        "INSERT INTO stream_ticket VALUES ($1, $2, $3, $4, $5, $6)",
        _digest(ticket),
        caller.practice_id,
        caller.staff_id,
        caller.role,
        datetime.fromtimestamp(caller.expires_at, UTC),
        now + LIFETIME,
    )


async def redeem_ticket(pool: "Pool", ticket: str, now: datetime) -> Principal | None:
    """Whom a ticket stands for; None for one that is unknown, used or too old. It works no second time."""
    row = await pool.fetchrow("DELETE FROM stream_ticket WHERE digest = $1 RETURNING *", _digest(ticket))
    if row is None or row["expires_at"] < now:
        return None
    return Principal(row["role"], row["practice_id"], row["staff_id"], row["session_ends_at"].timestamp())


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
