"""The spool's lock: one process drains, and none keeps the others from it by dying without a word."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ingest.app import SCHEMA
from ingest.storage.spool import Spooled, draining, forget_spooled, keep_in_spool
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import migrate
from shared_messaging import Outgoing

if TYPE_CHECKING:
    from shared_database.pools import Pool

EVENT = Outgoing("patient-messages", b"spooling/pt-1", b"{}", ())
LONG, SHORT = timedelta(minutes=5), timedelta(seconds=0.2)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def login(postgres_dsn: str) -> DatabaseLogin:
    migrate(postgres_dsn, [SCHEMA])
    return DatabaseLogin(postgres_dsn, SCHEMA.schema)


async def keep(pool: "Pool") -> None:
    await keep_in_spool(pool, "spooling", "spooling/pt-1", EVENT, datetime.now(UTC), most=10)


async def drained(pool: "Pool") -> Sequence[Spooled]:
    async with draining(pool, 10, at_most=LONG) as (connection, waiting):
        await forget_spooled(connection, waiting)
    return waiting


async def drained_at_last(pool: "Pool") -> Sequence[Spooled]:
    async with asyncio.timeout(PATIENCE):
        while not (found := await drained(pool)):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.02)
    return found


async def test_who_is_silent_while_draining_loses_the_lock_and_forgets_nothing(login: DatabaseLogin) -> None:
    async with await create_pool(login, min_size=0) as silent, await create_pool(login, min_size=0) as other:
        await keep(other)

        async def drain_in_silence() -> None:
            async with draining(silent, 10, at_most=SHORT) as (connection, waiting):
                assert [one.event for one in waiting] == [EVENT]
                assert [one.event for one in await drained_at_last(other)] == [EVENT]
                await forget_spooled(connection, waiting)

        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await drain_in_silence()


async def test_one_process_drains_at_a_time(login: DatabaseLogin) -> None:
    async with await create_pool(login, min_size=0) as pool:
        await keep(pool)
        async with draining(pool, 10, at_most=LONG) as (connection, ours):
            assert list(await drained(pool)) == []
            await forget_spooled(connection, ours)
    assert len(ours) == 1
