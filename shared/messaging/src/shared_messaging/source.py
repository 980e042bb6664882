"""The fence for those who publish what they found out themselves: a sync run reads a vendor, not a topic."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared_database.pools import set_practices
from shared_messaging.failures import Fenced
from shared_messaging.fence import Step, claim_partitions, forget_outputs, unsent_outputs, write_fenced
from shared_messaging.outgoing import Outgoing, pack, unpack
from shared_messaging.publisher import Publisher

if TYPE_CHECKING:
    from shared_database.pools import Pool


class FencedSource:
    """One writer at a time under a name, like `sync:<connection id>`; its events are published once written.

    `acquire` takes the name over from whoever has it; from then on the other's `write` raises `Fenced`. Each write is
    numbered in `progress`, in place of an offset. Not for use by two tasks at once.
    """

    def __init__(self, name: str, practice_id: str, *, pool: "Pool", publisher: Publisher) -> None:
        """`name` must not be the name of a topic; the colon in it makes sure. All writes are of one practice."""
        if ":" not in name:
            message = "the name of a source has a colon, so that it is no topic's"
            raise ValueError(message)
        self._name = name
        self._practice_id = practice_id
        self._pool = pool
        self._publisher = publisher
        self._epoch: int | None = None
        self._next = 0

    async def acquire(self) -> None:
        """Become the writer, and send what an earlier one has written but may not have sent.

        Raises `PublishFailed` while Kafka does not take it: acquire again.
        """
        async with self._pool.acquire() as connection:
            (claim,) = await claim_partitions(connection, {(self._name, 0): 0})
            for output, events in await unsent_outputs(connection, [(self._name, 0)]):
                await self._publisher.send(unpack(events))
                await forget_outputs(connection, [output])
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
        async with self._pool.acquire() as connection:
            await set_practices(connection, [self._practice_id])
            output = await write_fenced(
                connection,
                [step],
                sql,
                arguments,
                expecting=expecting or {},
                output=pack(publish) if publish else None,
                sent=(),
            )
        if output is not None:
            await self._publisher.send(publish)
            async with self._pool.acquire() as connection:
                await forget_outputs(connection, [output])
        self._epoch, self._next = step.epoch, step.next_offset
