"""The fence for those who publish what they found out themselves: a sync run reads a vendor, not a topic."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from shared_messaging.failures import Fenced
from shared_messaging.fence import Step, claim_partitions, forget_outputs, unsent_outputs, write_fenced
from shared_messaging.lane_connections import LaneConnections
from shared_messaging.outgoing import Outgoing, pack, unpack
from shared_messaging.publisher import Publisher
from shared_messaging.sent_outputs import SentOutputs

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from shared_database.pools import Connection, Pool

_HOUSEKEEPING_SECONDS = 1.0


class Sources:
    """What the sources of a process share, so that a write costs one round trip. An asynchronous context manager."""

    def __init__(self, pool: "Pool", publisher: Publisher, *, keep: int = 8) -> None:
        """Keep at most `keep` connections of the pool from one write to the next."""
        self.connections = LaneConnections(pool, keep)
        self.publisher = publisher
        self.sent = SentOutputs()
        self._housekeeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start forgetting what was sent."""
        self._housekeeping = asyncio.create_task(self._keep_house(), name="housekeeping of sources")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Forget the rest, and give the connections back."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.wait([self._housekeeping])
        await self.sent.forget(self.connections)
        await self.connections.close()

    def seeing(self, practice_ids: Collection[str]) -> "AbstractAsyncContextManager[Connection]":
        """A connection for reading that sees exactly these practices."""
        return self.connections.seeing(practice_ids)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            await self.sent.forget(self.connections)


class FencedSource:
    """One writer at a time under a name, like `sync:<connection id>`; its events are published once written.

    `acquire` takes the name over from whoever has it; from then on the other's `write` raises `Fenced`. Each write is
    numbered in `progress`, in place of an offset. Not for use by two tasks at once.
    """

    def __init__(self, name: str, practice_id: str, sources: Sources) -> None:
        """`name` must not be the name of a topic; the colon in it makes sure. All writes are of one practice."""
        if ":" not in name:
            message = "the name of a source has a colon, so that it is no topic's"
            raise ValueError(message)
        self._name = name
        self._practice_id = practice_id
        self._sources = sources
        self._epoch: int | None = None
        self._next = 0

    async def acquire(self) -> None:
        """Become the writer, and send what an earlier one has written but may not have sent.

        Raises `PublishFailed` while Kafka does not take it: acquire again.
        """
        async with self._sources.seeing(()) as connection:
            (claim,) = await claim_partitions(connection, {(self._name, 0): 0})
            kept = dict(await unsent_outputs(connection, [(self._name, 0)]))
            for output in await self._sources.sent.of_others(list(kept)):
                await self._sources.publisher.send(unpack(kept[output]))
            await forget_outputs(connection, list(kept))
        self._epoch, self._next = claim.epoch, claim.next_offset

    async def write(
        self,
        sql: str,
        *arguments: object,
        publish: Sequence[Outgoing] = (),
        expecting: Mapping[str, int] | None = None,
    ) -> None:
        """Like `Batch.write`, and then send; return when Kafka has all of it.

        Raises `Fenced` (or whatever else went wrong): acquire again before the next write. After `PublishFailed` the
        write stands, and the next `acquire`, here or elsewhere, sends its events.
        """
        if self._epoch is None:
            raise Fenced([(self._name, 0)], [])
        step = Step(self._name, 0, self._epoch, self._next, self._next + 1)
        self._epoch = None
        sent = self._sources.sent.take()
        try:
            async with self._sources.seeing([self._practice_id]) as connection:
                written = await write_fenced(
                    connection,
                    [step],
                    sql,
                    arguments,
                    expecting=expecting or {},
                    output=pack(publish) if publish else None,
                    sent=sent,
                )
        except BaseException:
            self._sources.sent.add(sent)
            raise
        if written.output_id is not None:
            self._sources.sent.begin(written.output_id)
            with self._sources.sent.sending(written.output_id):
                await self._sources.publisher.send(publish)
        self._epoch, self._next = step.epoch, step.next_offset
