"""A practice sees its own rows only, whatever SQL somebody writes (promise 9): tried as each service's role."""

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from shared_database import DatabaseLogin, create_pool, practice_scope, set_practices
from shared_database.migrations import ServiceSchema, migrate, newest_revision
from switchboard_cli.origin import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from shared_database.pools import Connection, Pool

WITHOUT_PRACTICE_DATA = {
    "alembic_version",
    "audit_end",
    "batch_output",
    "consumed_topic",
    "duty_turn",
    "file_queue",
    "progress",
    "notice_lane",
    "push_identity",
    "connection_owner",
    "practice_of",
    "retention_due",
    "spooled",
    "stream_ticket",
    "text_queue",
    "unfinished_settings",
    "webhook_lane",
}
"""Positions, ids and digests; each says in its migration why it has no row-level security."""

each_service = pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.schema)


@pytest.fixture(scope="session")
def migrated_dsn(postgres_dsn: str) -> str:
    migrate(postgres_dsn, SCHEMAS)
    return postgres_dsn


@asynccontextmanager
async def pool_of(dsn: str, schema: ServiceSchema) -> "AsyncGenerator[Pool]":
    async with await create_pool(DatabaseLogin(dsn, schema.schema), min_size=0) as pool:
        yield pool


async def tables_of(connection: "Connection", schema: ServiceSchema) -> dict[str, bool]:
    """Every table of a service, and whether row-level security is on and forced with a policy."""
    rows = await connection.fetch(
        """
        SELECT relname, relrowsecurity AND relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid) AS is_isolated
        FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')
        """,
        schema.schema,
    )
    return {row["relname"]: row["is_isolated"] for row in rows}


@each_service
async def test_every_table_with_practice_data_is_isolated_and_forced(migrated_dsn: str, schema: ServiceSchema) -> None:
    async with pool_of(migrated_dsn, schema) as pool, pool.acquire() as connection:
        tables = await tables_of(connection, schema)

    assert {name for name, is_isolated in tables.items() if not is_isolated} <= WITHOUT_PRACTICE_DATA
    assert any(tables.values())


@each_service
async def test_a_service_has_no_power_beyond_its_own_schema(migrated_dsn: str, schema: ServiceSchema) -> None:
    (other, *_) = [one for one in SCHEMAS if one != schema]
    async with pool_of(migrated_dsn, schema) as pool:
        role = await pool.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        for attack in (
            f"TABLE {other.schema}.progress",
            f"CREATE TABLE {schema.schema}.mine (a int)",
            "CREATE ROLE intruder",
            f"ALTER TABLE {schema.schema}.progress DISABLE ROW LEVEL SECURITY",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(attack)

    assert role is not None
    assert not any(role.values())


async def test_rows_of_another_practice_can_be_neither_seen_nor_made_nor_changed(migrated_dsn: str) -> None:
    (router,) = [schema for schema in SCHEMAS if schema.schema == "router"]
    insert = "INSERT INTO directory VALUES ($1, '[]', '[]', now()) ON CONFLICT DO NOTHING"
    async with pool_of(migrated_dsn, router) as pool:
        async with practice_scope(pool, "ours", "theirs") as connection:
            await connection.execute(insert, "ours")
            await connection.execute(insert, "theirs")
        async with practice_scope(pool, "ours") as connection:
            seen = [row["practice_id"] for row in await connection.fetch("SELECT practice_id FROM directory")]
            changed = await connection.execute("UPDATE directory SET locations = '[1]' WHERE practice_id = 'theirs'")
            deleted = await connection.execute("DELETE FROM directory WHERE practice_id <> 'ours'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with practice_scope(pool, "ours") as connection:
                await connection.execute(insert, "somebody-else")
        unscoped = await pool.fetchval("SELECT count(*) FROM directory")

    assert (seen, changed, deleted, unscoped) == (["ours"], "UPDATE 0", "DELETE 0", 0)


@pytest.mark.parametrize("is_left_open", [False, True])
async def test_a_connection_sees_nothing_any_more_once_it_is_given_back(
    migrated_dsn: str, *, is_left_open: bool
) -> None:
    (router,) = [schema for schema in SCHEMAS if schema.schema == "router"]
    count = "SELECT count(*) FROM directory"
    async with await create_pool(DatabaseLogin(migrated_dsn, router.schema), min_size=1, max_size=1) as pool:
        async with practice_scope(pool, "kept") as connection:
            await connection.execute("INSERT INTO directory VALUES ('kept', '[]', '[]', now()) ON CONFLICT DO NOTHING")
        async with pool.acquire() as connection:
            if is_left_open:
                await connection.execute("BEGIN")
            await set_practices(connection, ["kept"])
            seen = await connection.fetchval(count)
            backend = connection.get_server_pid()
        async with pool.acquire() as connection:
            afterwards = await connection.fetchval(count)
            same = connection.get_server_pid() == backend

    assert (seen, afterwards, same) == (1, 0, True)


async def test_migrations_at_the_same_time_wait_for_each_other(migrated_dsn: str) -> None:
    both = await asyncio.gather(*(asyncio.to_thread(migrate, migrated_dsn, SCHEMAS) for _ in range(2)))

    assert both[0] == both[1] == {schema.schema: newest_revision(schema) for schema in SCHEMAS}
