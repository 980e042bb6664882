"""Connections to PostgreSQL that are one service's, and see only the practices they are told to see."""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Row: TypeAlias = asyncpg.Record

DATABASE_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a database that is away, or says no, raises: a task that runs for ever waits and tries again."""
UNKEEPABLE = (asyncpg.DataError,)
"""What a value raises that PostgreSQL has no room for: text with a NUL, a number or a time beyond all bounds (SQLSTATE 22…).
Whose value it is should know: the database is well.
"""

SCOPE = "app.practices"
"""The setting that row-level security reads: practice ids, separated by commas. Ids never contain a comma."""
_CONSUMER = "SELECT set_config($1, $2, false), set_config('plan_cache_mode', 'force_generic_plan', false)"
_IDS = re.compile(r"[A-Za-z0-9_,-]*")


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """How one service reaches PostgreSQL. The DSN holds a password: it is never printed."""

    dsn: str = field(repr=False)
    schema: str
    """The service's own schema; the only one on the search path."""

    @property
    def role(self) -> str:
        """The role that every connection takes on, whoever it logs in as: only its own schema, no DDL, no bypass."""
        return f"switchboard_{self.schema}"

    @property
    def server_settings(self) -> dict[str, str]:
        """What the connection asks for as it starts.

        A plan is kept. One that reads a table from end to end, because there was little in it, is kept as well while the
        table grows, until PostgreSQL counts its rows again: so it is the last resort (`enable_seqscan`). Then the few plans
        without an index look dear; they are not, and nothing is compiled for them (`jit`).
        """
        return {
            "role": self.role,
            "search_path": self.schema,
            "application_name": f"switchboard-{self.schema.replace('_', '-')}",
            "timezone": "UTC",
            "enable_seqscan": "off",
            "jit": "off",
        }


class _Connection(asyncpg.Connection):
    """Knows whether its session is as it began: giving it back to the pool costs a round trip only if it is not."""

    is_changed = False

    def note_change(self) -> None:
        """The session is about to be changed beyond the end of a transaction."""
        self.is_changed = True


async def _reset(connection: "Connection") -> None:
    """Make a session as it began. What is left of a transaction was rolled back before."""
    if connection.is_changed:  # type: ignore[union-attr]
        await connection.execute(connection.get_reset_query())
        connection.is_changed = False  # type: ignore[union-attr]


async def create_pool(login: DatabaseLogin, *, min_size: int = 1, max_size: int = 10) -> "Pool":
    """A pool of plain asyncpg connections, for statements over whole batches.

    Raises what asyncpg raises when PostgreSQL cannot be reached or the role does not exist (not migrated yet).
    """
    return await asyncpg.create_pool(
        login.dsn,
        min_size=min_size,
        max_size=max_size,
        server_settings=login.server_settings,
        command_timeout=30,
        connection_class=_Connection,
        reset=_reset,
    )


async def set_practices(connection: "Connection", practice_ids: Iterable[str]) -> None:
    """Let this connection see these practices from now on, until told otherwise. For a consumer's own connection.

    A consumer asks the same few questions for ever, each by keys: they are planned once. By itself PostgreSQL plans the
    question of a small batch anew each time, which takes longer than answering it.

    The connection is one of `create_pool`, which takes this back when the connection is given back.
    """
    connection.note_change()  # type: ignore[union-attr]
    await connection.fetchval(_CONSUMER, SCOPE, ",".join(practice_ids))


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows of `width` values as columns: what `unnest` takes. No rows are as many empty columns."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


@asynccontextmanager
async def practice_scope(pool: "Pool", *practice_ids: str) -> AsyncGenerator["Connection"]:
    """A connection in a transaction that sees exactly these practices; committed at the end, rolled back on an error.

    The transaction and what it sees begin in one round trip, which has no room for parameters: what does not look like ids
    takes another.
    """
    seen = ",".join(practice_ids)
    is_plain = _IDS.fullmatch(seen) is not None
    async with pool.acquire() as connection:
        await connection.execute(f"BEGIN; SELECT set_config('{SCOPE}', '{seen}', true)" if is_plain else "BEGIN")
        try:
            if not is_plain:
                await connection.fetchval("SELECT set_config($1, $2, true)", SCOPE, seen)
            yield connection
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
