"""Keeps the weeks of decisions: those to come are made ahead, those beyond the retention are dropped."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from router.storage.decision_records import keep_partitions
from shared_database import DATABASE_FAILURES

if TYPE_CHECKING:
    from shared_database.pools import Pool

_EVERY = timedelta(hours=1)

log = structlog.get_logger()


async def keep_decisions(pool: "Pool", retention: timedelta) -> None:
    """Until cancelled. A time that fails is made up for an hour later: weeks are made a month ahead."""
    while True:
        try:
            await keep_partitions(pool, retention)
        except DATABASE_FAILURES as error:
            log.warning("decision weeks could not be kept", error=type(error).__name__)
        await asyncio.sleep(_EVERY.total_seconds())
