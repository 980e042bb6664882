"""Lets go what a practice's schedule no longer keeps, once a day and practice, whichever instance comes first.

A practice is one instance's while it is looked at: its `due_at` is moved on by a lease. If that instance dies, another one
goes on where it stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from shared_database.pools import DATABASE_FAILURES

if TYPE_CHECKING:
    from shared_database.pools import Pool

EVERY = timedelta(days=1)
LEASE = timedelta(minutes=15)
AT_ONCE = 500
"""Rows of one transaction, so that nobody waits for long."""
_LOOK = timedelta(minutes=10)

ForgetOld = Callable[["Pool", str, datetime], Awaitable[int]]
"""Removes some of what a practice's schedule does not keep at an instant, and says how much: 0 when nothing is left."""

log = structlog.get_logger()


async def keep_retention(
    pool: "Pool", clock: Callable[[], datetime], forget_old: ForgetOld, failures: tuple[type[Exception], ...] = ()
) -> None:
    """Until cancelled. What fails with one of `failures`, or because the database is away, is tried again later."""
    passing: tuple[type[Exception], ...] = (*DATABASE_FAILURES, *failures)
    while True:
        try:
            await forget_what_is_due(pool, clock, forget_old)
        except passing as error:
            log.warning("retention is behind", error=type(error).__name__)
        await asyncio.sleep(_LOOK.total_seconds())


async def forget_what_is_due(pool: "Pool", clock: Callable[[], datetime], forget_old: ForgetOld) -> int:
    """Look at every practice that is due and nobody else's at the moment; returns how much was removed."""
    removed = 0
    while (practice_id := await _lease(pool, clock())) is not None:
        count = 0
        while some := await forget_old(pool, practice_id, clock()):
            count += some
            await _due_at(pool, practice_id, clock() + LEASE)
        await _due_at(pool, practice_id, clock() + EVERY)
        if count:
            log.info("let go what is no longer kept", practice_id=practice_id, count=count)
        removed += count
    return removed


async def _lease(pool: "Pool", now: datetime) -> str | None:
    practice_id: str | None = await pool.fetchval(
        "UPDATE retention_due SET due_at = $2 WHERE practice_id = ("
        "SELECT practice_id FROM retention_due WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED"
        ") RETURNING practice_id",
        now, now + LEASE,
    )  # fmt: skip
    return practice_id


async def _due_at(pool: "Pool", practice_id: str, at: datetime) -> None:
    await pool.execute("UPDATE retention_due SET due_at = $2 WHERE practice_id = $1", practice_id, at)
