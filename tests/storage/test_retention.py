"""Decisions are kept by week: the weeks to come are there, those beyond the retention go."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from router.app import SCHEMA
from router.storage.decision_records import keep_partitions
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=100)
LEFT = "SELECT message_id FROM decision WHERE message_id IN ('old', 'new')"
INSERT = "INSERT INTO decision VALUES ('keeping', $1, 'pt-1', $2, false, '{}', 0)"


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> str:
    migrate(postgres_dsn, [SCHEMA])
    return postgres_dsn


async def weeks(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
            "WHERE inhparent = 'router.decision'::regclass"
        )
    finally:
        await connection.close()
    return {row["relname"] for row in rows}


async def add_week(dsn: str, instant: datetime) -> str:
    """Have the week of this instant; its name. What other tests left of it would stay where it is, and the week with it."""
    monday = instant.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=instant.weekday())
    owner = await asyncpg.connect(dsn, server_settings={"search_path": "router"})
    await owner.execute("DELETE FROM decision WHERE received_at BETWEEN $1 AND $2", monday, monday + timedelta(days=7))
    await owner.execute("SELECT add_week('decision', $1)", monday.date())
    await owner.close()
    return f"decision_{monday:%Y%m%d}"


async def test_a_week_beyond_the_retention_is_dropped_and_those_to_come_are_there(dsn: str) -> None:
    old = await add_week(dsn, LONG_AGO)
    async with await create_pool(DatabaseLogin(dsn, "router"), min_size=0) as pool:
        async with practice_scope(pool, "keeping") as connection:
            await connection.execute(INSERT, "old", LONG_AGO)
            await connection.execute(INSERT, "new", NOW)
        await keep_partitions(pool, timedelta(days=101))
        kept = await weeks(dsn)
        await keep_partitions(pool, timedelta(days=30))
        async with practice_scope(pool, "keeping") as connection:
            left = {row["message_id"] for row in await connection.fetch(LEFT)}

    assert old in kept
    assert await weeks(dsn) == kept - {old}
    assert left == {"new"}
    ahead = NOW + timedelta(days=28 - NOW.weekday())
    assert f"decision_{ahead:%Y%m%d}" in kept


@pytest.mark.parametrize("keep", ["0", "-100 years", None])
async def test_whatever_the_service_asks_for_a_month_of_decisions_stays(dsn: str, keep: str | None) -> None:
    last_month = await add_week(dsn, NOW - timedelta(days=28))
    async with await create_pool(DatabaseLogin(dsn, "router"), min_size=0) as pool:
        await pool.execute("SELECT keep_partitions($1::text::interval)", keep)

    assert last_month in await weeks(dsn)


async def test_a_message_of_another_age_is_kept_too(dsn: str) -> None:
    async with await create_pool(DatabaseLogin(dsn, "router"), min_size=0) as pool:
        async with practice_scope(pool, "keeping") as connection:
            await connection.execute(INSERT, "future", NOW + timedelta(days=4000))
        await keep_partitions(pool, timedelta(days=30))
        async with practice_scope(pool, "keeping") as connection:
            kept = await connection.fetchval("SELECT count(*) FROM decision WHERE message_id = 'future'")

    assert kept == 1


async def test_the_service_cannot_drop_a_week_itself_nor_read_around_its_practices(dsn: str) -> None:
    async with await create_pool(DatabaseLogin(dsn, "router"), min_size=0) as pool:
        (week, *_) = sorted(await weeks(dsn) - {"decision_outside"})
        for attack in (f"DROP TABLE {week}", f"TABLE {week}", "SELECT add_week('decision', '2020-01-06')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(attack)
