"""Which outputs Kafka has acknowledged, so that they need not be kept any longer."""

import asyncio
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import structlog

from shared_messaging.fence import forget_outputs
from shared_messaging.lane_connections import LaneConnections

log = structlog.get_logger()

_REMEMBERED = 10_000
_FORGET_SECONDS = 2.0


class SentOutputs:
    """Ids of outputs that Kafka has acknowledged: the next write forgets them, so that forgetting costs no round trip."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._sending: dict[int, asyncio.Future[None]] = {}
        self._acknowledged: OrderedDict[int, None] = OrderedDict()

    def begin(self, output_id: int) -> None:
        """This process has written it, and will send it: `sending` follows."""
        self._sending[output_id] = asyncio.get_running_loop().create_future()

    @contextmanager
    def sending(self, output_id: int) -> Generator[None]:
        """What was begun is sent in this block; at its end Kafka has it, unless an error ends it."""
        try:
            yield
            self._acknowledged[output_id] = None
            if len(self._acknowledged) > _REMEMBERED:
                self._acknowledged.popitem(last=False)
            self.add([output_id])
        finally:
            self._sending.pop(output_id).set_result(None)

    async def of_others(self, ids: Sequence[int]) -> list[int]:
        """Wait until this process has sent its own of these outputs; return those that it has not sent."""
        while sending := [self._sending[one] for one in ids if one in self._sending]:
            await asyncio.wait(sending)
        return [one for one in ids if one not in self._acknowledged]

    def add(self, ids: Sequence[int]) -> None:
        """These may be forgotten."""
        self._ids += ids

    def take(self) -> list[int]:
        """All of them; whoever takes them forgets them or adds them again."""
        ids, self._ids = self._ids, []
        return ids

    async def forget(self, connections: LaneConnections) -> None:
        """Forget now, for when no write comes. They wait when PostgreSQL is away."""
        ids = self.take()
        if not ids:
            return
        try:
            async with asyncio.timeout(_FORGET_SECONDS), connections.seeing(()) as connection:
                await forget_outputs(connection, ids)
        except Exception as error:  # noqa: BLE001 - they are sent again with the same ids, should we end here
            self.add(ids)
            log.info("sent outputs are still stored", error=type(error).__name__)
