"""Statements about one connection of one practice: `$1` is the practice, `$2` the connection, the arguments follow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool, Row


@dataclass(frozen=True, slots=True)
class Key:
    """Which connection of which practice."""

    practice_id: str
    connection_id: str


async def execute(pool: "Pool", key: Key, sql: str, *arguments: object) -> None:
    """Run a statement as the practice."""
    async with practice_scope(pool, key.practice_id) as connection:
        await connection.execute(sql, key.practice_id, key.connection_id, *arguments)


async def fetch(pool: "Pool", key: Key, sql: str, *arguments: object) -> "list[Row]":
    """The rows that the practice sees."""
    async with practice_scope(pool, key.practice_id) as connection:
        return await connection.fetch(sql, key.practice_id, key.connection_id, *arguments)


async def fetchval(pool: "Pool", key: Key, sql: str, *arguments: object) -> Any:  # noqa: ANN401 - what the statement says
    """The first value of the first row; None when there is none."""
    async with practice_scope(pool, key.practice_id) as connection:
        return await connection.fetchval(sql, key.practice_id, key.connection_id, *arguments)
