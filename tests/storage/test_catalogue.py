"""What the catalogue says of the services' power, and raw SQL as each service's role against every table (promise 9).

The tables, views and functions are asked from PostgreSQL, so whatever a migration adds is tried too.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg
import pytest

from shared_database.migrations import ServiceSchema, migrate
from switchboard_cli.origin import SCHEMAS

OURS, THEIRS = "ours", "theirs"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SAMPLES: dict[str, Callable[[str], object]] = {
    "text": lambda practice: practice,
    **dict.fromkeys(("json", "jsonb"), lambda _: "{}"),
    "bytea": str.encode,
    "boolean": lambda _: False,
    "timestamp with time zone": lambda _: NOW,
    "date": lambda _: date(2026, 11, 25),
    "interval": lambda _: NOW - NOW,
    "text[]": lambda practice: [practice],
    **dict.fromkeys(("integer", "bigint", "smallint", "numeric", "double precision"), len),
}
"""A value of each type, another one for each practice."""

ELEVATED = {"router": ("append_audit", "keep_partitions")}
"""Functions that do what the role itself may not, in their own schema only: each says why in its migration."""

each_service = pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.schema)


@asynccontextmanager
async def owner(dsn: str, schema: ServiceSchema) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """The database's owner, in a transaction that is undone."""
    await asyncio.to_thread(migrate, dsn, SCHEMAS)
    connection = await asyncpg.connect(dsn, server_settings={"search_path": schema.schema, "lock_timeout": "20s"})
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@each_service
async def test_a_services_role_has_no_power_of_its_own(postgres_dsn: str, schema: ServiceSchema) -> None:
    async with owner(postgres_dsn, schema) as connection:
        attributes = await connection.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = $1",
            schema.role,
        )
        groups = await connection.fetch(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = $1::regrole", schema.role
        )
        owned = await connection.fetch("SELECT relname FROM pg_class WHERE relowner = $1::regrole", schema.role)
        may_create = await connection.fetch(
            "SELECT nspname FROM pg_namespace WHERE has_schema_privilege($1, oid, 'CREATE')", schema.role
        )

    assert attributes is not None
    assert [name for name, has in attributes.items() if has] == []
    assert (groups, owned, may_create) == ([], [], [])


@each_service
async def test_a_service_may_read_and_write_rows_of_its_own_schema_and_nothing_else(
    postgres_dsn: str, schema: ServiceSchema
) -> None:
    async with owner(postgres_dsn, schema) as connection:
        beyond = await connection.fetch(
            """
            SELECT relnamespace::regnamespace || '.' || relname AS found, privilege
            FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
                AS privilege
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege($1, oid, privilege)
                AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                AND (relnamespace <> $2::regnamespace OR privilege IN ('TRUNCATE', 'REFERENCES', 'TRIGGER'))
            """,
            schema.role,
            schema.schema,
        )
        elevated = await connection.fetch(
            """
            SELECT proname, array_to_string(proconfig, ',') LIKE 'search_path=%' AS is_closed FROM pg_proc
            WHERE prosecdef AND pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                AND has_function_privilege($1, oid, 'EXECUTE')
            """,
            schema.role,
        )
        views = await connection.fetch(
            """
            SELECT relname FROM pg_class
            WHERE relnamespace = $1::regnamespace AND relkind IN ('v', 'm')
                AND NOT coalesce(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']
            """,
            schema.schema,
        )

    assert [tuple(row) for row in beyond] == []
    assert {row["proname"]: row["is_closed"] for row in elevated} == dict.fromkeys(
        ELEVATED.get(schema.schema, ("append_audit",)), True
    )
    assert [row["relname"] for row in views] == []


@each_service
async def test_every_policy_is_for_every_command_and_everybody(postgres_dsn: str, schema: ServiceSchema) -> None:
    async with owner(postgres_dsn, schema) as connection:
        policies = await connection.fetch(
            """
            SELECT tablename, policyname, cmd, roles::text AS roles, qual, with_check FROM pg_policies
            WHERE schemaname = $1
            """,
            schema.schema,
        )

    assert policies
    for one in policies:
        assert (one["policyname"], one["cmd"], one["roles"]) == ("practice_isolation", "ALL", "{public}"), one[
            "tablename"
        ]
        assert one["with_check"] in {None, one["qual"]}, one["tablename"]  # without a check of its own, it is the same
        assert "app.practices" in one["qual"], one["tablename"]
        assert "practice_id" in one["qual"], one["tablename"]


@each_service
async def test_raw_sql_in_the_scope_of_one_practice_does_nothing_to_another(
    postgres_dsn: str, schema: ServiceSchema
) -> None:
    """Two made-up rows in each table, as different as the practices; then what a mistake or an injection might try."""
    async with owner(postgres_dsn, schema) as connection:
        tables = [row["tablename"] for row in await connection.fetch(
            "SELECT DISTINCT tablename FROM pg_policies WHERE schemaname = $1", schema.schema
        )]  # fmt: skip
        await _forget_conditions(connection, tables)
        for table in tables:
            await _add_rows(connection, table)
        await connection.execute(f"SET LOCAL ROLE {schema.role}")
        leaks = [leak for table in tables for leak in await _attacked(connection, table)]

    assert tables
    assert leaks == []


async def _forget_conditions(connection: "asyncpg.Connection[asyncpg.Record]", tables: Sequence[str]) -> None:
    """Checks and references would want rows that mean something; what is tried here is who sees them."""
    await connection.execute("SET LOCAL session_replication_role = replica")
    found = await connection.fetch(
        """
        SELECT conrelid::regclass::text AS name, conname FROM pg_constraint
        WHERE contype = 'c' AND conislocal AND conrelid::regclass::text = ANY($1)
        """,
        tables,
    )
    for row in found:
        await connection.execute(f'ALTER TABLE {row["name"]} DROP CONSTRAINT "{row["conname"]}"')


async def _add_rows(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> None:
    columns = await connection.fetch(
        """
        SELECT attname, format_type(atttypid, NULL) AS kind FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
        """,
        table,
    )
    names = ", ".join(f'"{row["attname"]}"' for row in columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    bound = await connection.fetchval("SELECT pg_get_partition_constraintdef($1::regclass)", table)
    if bound:  # a partition is filled through its parent
        return
    await connection.execute(f"DELETE FROM {table} WHERE practice_id IN ('{OURS}', '{THEIRS}')")
    for practice in (OURS, THEIRS):
        values = [SAMPLES[row["kind"]](practice) for row in columns]
        try:
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values)
        except asyncpg.CheckViolationError as error:  # no partition for this week yet
            partition = error.args[0]
            assert "no partition" in partition, partition
            await connection.execute(f"CREATE TABLE {table}_made_up PARTITION OF {table} DEFAULT")
            await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values)


async def _attacked(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> list[str]:
    """What got through."""
    is_part = await connection.fetchval("SELECT pg_get_partition_constraintdef($1::regclass) IS NOT NULL", table)
    if is_part and not await connection.fetchval("SELECT has_table_privilege($1, 'SELECT')", table):
        return []  # it is reached through its parent only
    leaks: list[str] = []

    async def seen_by(scope: str) -> set[str]:
        await connection.execute("SELECT set_config('app.practices', $1, true)", scope)
        return {row["practice_id"] for row in await connection.fetch(f"SELECT practice_id FROM {table}")}

    if await seen_by(""):
        leaks.append(f"{table}: rows are seen without a practice")
    for scope in ("theirs,", "%", "ours'", "OURS", "*"):
        leaks += [f"{table}: the scope {scope} shows rows of {OURS}"] if OURS in await seen_by(scope) else []
    if (seen := await seen_by(OURS)) - {OURS} or not seen:
        leaks.append(f"{table}: in the scope of {OURS} one sees {sorted(seen)}")
    for attack in (
        f"UPDATE {table} SET practice_id = practice_id WHERE practice_id <> '{OURS}'",
        f"DELETE FROM {table} WHERE practice_id <> '{OURS}'",
        f"UPDATE {table} SET practice_id = '{THEIRS}' WHERE practice_id = '{OURS}'",
        f"TRUNCATE {table}",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"DROP POLICY practice_isolation ON {table}",
        f"SET LOCAL row_security = off; SELECT FROM {table}",
    ):
        try:
            async with connection.transaction():
                done = await connection.execute(attack)
        except asyncpg.InsufficientPrivilegeError:
            continue
        leaks += [] if done.endswith(" 0") else [f"{attack}: {done}"]
    return leaks
