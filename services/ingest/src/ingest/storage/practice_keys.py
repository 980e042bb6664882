"""Practices' keys, wrapped by the key keeper."""

from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool


async def wrapped_key_of(pool: "Pool", practice_id: str) -> bytes | None:
    """A practice's key; None before it has one."""
    async with practice_scope(pool, practice_id) as connection:
        wrapped: bytes | None = await connection.fetchval(
            "SELECT wrapped FROM practice_key WHERE practice_id = $1", practice_id
        )
    return wrapped


async def keep_first_key(pool: "Pool", practice_id: str, wrapped: bytes) -> bytes:
    """The practice's key from now on: this one, unless somebody was faster."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO practice_key VALUES ($1, $2) ON CONFLICT DO NOTHING", practice_id, wrapped
        )
        return bytes(await connection.fetchval("SELECT wrapped FROM practice_key WHERE practice_id = $1", practice_id))


async def keep_rewrapped(pool: "Pool", practice_id: str, before: bytes, wrapped: bytes) -> None:
    """The same key, wrapped anew."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "UPDATE practice_key SET wrapped = $3 WHERE practice_id = $1 AND wrapped = $2", practice_id, before, wrapped
        )
