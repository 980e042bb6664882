"""PostgreSQL connections that stay with the engine from batch to batch.

Taking one from the pool and giving it back costs a round trip (the pool resets it), and so does telling it which
practices it may see: both are spared when the next batch of a lane is like the one before.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared_database.pools import set_practices

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

_ACQUIRE_SECONDS = 10.0


class LaneConnections:
    """The connections of one engine's lanes."""

    def __init__(self, pool: "Pool", keep: int) -> None:
        """Keep at most `keep` connections for the lanes; the rest of the pool is for others."""
        self._pool = pool
        self._keep = keep
        self._idle: list[tuple[Connection, list[str]]] = []

    @asynccontextmanager
    async def seeing(self, practice_ids: Collection[str]) -> AsyncGenerator["Connection"]:
        """A connection that sees exactly these practices. After an error it goes back to the pool, which resets it."""
        connection, seen = await self._take()
        wanted = sorted(practice_ids)
        try:
            if seen != wanted:
                await set_practices(connection, wanted)
            yield connection
        except BaseException:
            await self._release(connection)
            raise
        if len(self._idle) < self._keep:
            self._idle.append((connection, wanted))
        else:
            await self._release(connection)

    async def close(self) -> None:
        """Give all idle connections back to the pool, and from now on each one that is not needed any more."""
        self._keep = 0
        while self._idle:
            connection, _ = self._idle.pop()
            await self._release(connection)

    async def _take(self) -> "tuple[Connection, list[str] | None]":
        while self._idle:
            connection, seen = self._idle.pop()
            if not connection.is_closed():
                return connection, seen
            await self._release(connection)
        return await self._pool.acquire(timeout=_ACQUIRE_SECONDS), None

    async def _release(self, connection: "Connection") -> None:
        await self._pool.release(connection)  # type: ignore[arg-type]
