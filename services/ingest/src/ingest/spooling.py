"""What is accepted while Kafka does not take it waits in PostgreSQL, and follows in order (promise 1).

Order is promised per patient: while an event of a patient waits, the next one waits behind it. So an event goes to Kafka
at once only when none of its key waits, and is taken off the spool only after Kafka's acknowledgement.

An event may reach Kafka twice: when the acknowledgement came too late, when we end between acknowledgement and
forgetting, when a paused process wakes up. That does no harm: its id is derived from what the provider calls it
(`shared_schemas.ids`), and router decides about an id once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import uniform
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

import structlog
from prometheus_client import Counter, Gauge

from ingest.storage.spool import add_to_spool, draining, forget_spooled, is_spooled, keep_in_spool, spool_size
from shared_messaging import Outgoing, Publisher, PublishFailed

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

log = structlog.get_logger()

_BATCH = 500
_LOOK_EVERY = 1.0
_SILENCE = 10.0
_LONGEST_PAUSE = 2.0
_DRAIN_PATIENCE = timedelta(seconds=5)
"""A transaction is open while we wait for Kafka."""
_LONGEST_DRAIN = 2 * _DRAIN_PATIENCE
"""Then somebody else may drain: whoever has waited longer is paused, or gone."""
_AVOID_KAFKA = 1.0
"""Seconds after a failure in which nobody else waits for Kafka in vain; the drainer tries meanwhile."""

ROWS = Gauge("switchboard_ingest_spool_rows", "Accepted events that wait in PostgreSQL for Kafka.")
OLDEST = Gauge("switchboard_ingest_spool_oldest_seconds", "Age of the first of them; 0 when none waits.")
SPOOLED = Counter("switchboard_ingest_spooled", "Events that had to wait in PostgreSQL.")


class SpoolFull(Exception):  # noqa: N818 - a state that was found
    """As many events wait as may."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How long to wait for Kafka before an event is spooled, and how many may wait."""

    kafka_patience: timedelta
    most_rows: int


class Spool:
    """Hands events to Kafka, or keeps them until it can. An asynchronous context manager: it drains while it is open."""

    def __init__(self, pool: "Pool", publisher: Publisher, clock: Callable[[], datetime], limits: SpoolLimits) -> None:
        self._pool = pool
        self._publisher = publisher
        self._clock = clock
        self._limits = limits
        self._avoid_kafka_until = 0.0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of each key whose events are handed in at the moment."""
        self._rows = 0
        self._measured_at: float | None = None
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to drain what an earlier process left."""
        self._tasks = [
            asyncio.create_task(self._keep_draining(), name="spool drainer"),
            asyncio.create_task(self._keep_measuring(), name="spool metrics"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop draining; what waits is drained by another process, or by the next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    @property
    def trouble(self) -> str:
        """Why nothing could be accepted without Kafka; empty when it could."""
        if self._measured_at is None or asyncio.get_running_loop().time() - self._measured_at > _SILENCE:
            return "PostgreSQL has not answered lately"
        return "the spool is full" if self._rows >= self._limits.most_rows else ""

    async def take(self, practice_id: str, event: Outgoing, *, is_empty: bool = False) -> None:
        """Return once the event is durable: in Kafka, or in the spool. Events of one key follow each other as they were
        handed in: none overtakes another that PostgreSQL or Kafka keeps waiting.

        `is_empty`: somebody asked after this came, and the spool was empty. Then all that was answered 2xx before it is in
        Kafka already, and the spool is not asked again, unless another event of the key is being handed in.

        Raises `SpoolFull`, or what asyncpg raises when PostgreSQL does not take it either.
        """
        ordering_key = (event.key or b"").decode()
        turn = self._turns.setdefault(ordering_key, asyncio.Lock())
        is_free = is_empty and not turn.locked()
        async with turn:
            await self._take(practice_id, ordering_key, event, is_free=is_free)

    async def _take(self, practice_id: str, ordering_key: str, event: Outgoing, *, is_free: bool) -> None:
        may_be_sent = asyncio.get_running_loop().time() >= self._avoid_kafka_until
        if may_be_sent and (is_free or not await is_spooled(self._pool, ordering_key)):
            try:
                await self._publisher.send([event], timeout=self._limits.kafka_patience)
            except PublishFailed:
                self._avoid_kafka_until = asyncio.get_running_loop().time() + _AVOID_KAFKA
            else:
                return
        kept = await keep_in_spool(
            self._pool, practice_id, ordering_key, event, self._clock(), most=self._limits.most_rows
        )
        if not kept:
            raise SpoolFull
        SPOOLED.inc()
        self._wake.set()

    async def keep(self, connection: "Connection", practice_id: str, event: Outgoing) -> None:
        """Keep an event with what the caller's transaction writes: both, or neither. It follows after the commit.

        Raises `SpoolFull`.
        """
        key = (event.key or b"").decode()
        if not await add_to_spool(connection, practice_id, key, event, self._clock(), most=self._limits.most_rows):
            raise SpoolFull

    def notice(self) -> None:
        """Something was kept and committed: send it now instead of at the next look."""
        self._wake.set()

    async def drain(self) -> int:
        """Send the first events that wait, and forget them; how many. Zero also when another process is at it.

        Raises `PublishFailed` when Kafka does not take them.
        """
        async with draining(self._pool, _BATCH, at_most=_LONGEST_DRAIN) as (connection, waiting):
            if waiting:
                await self._publisher.send([one.event for one in waiting], timeout=_DRAIN_PATIENCE)
                await forget_spooled(connection, waiting)
        if waiting:
            self._avoid_kafka_until = 0.0
        return len(waiting)

    async def _keep_draining(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                while await self.drain():
                    failures = 0
            except Exception as error:  # noqa: BLE001 - Kafka or PostgreSQL are away: what waits, waits on
                failures += 1
                log.info("the spool is not drained yet", error=type(error).__name__)
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10)) * uniform(0.5, 1))  # noqa: S311
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY)

    async def _keep_measuring(self) -> None:
        while True:
            with suppress(Exception):  # without PostgreSQL the last values stay
                self._rows, oldest_at = await spool_size(self._pool)
                self._measured_at = asyncio.get_running_loop().time()
                ROWS.set(self._rows)
                OLDEST.set(max(0.0, (self._clock() - oldest_at).total_seconds()) if oldest_at else 0.0)
            await asyncio.sleep(_LOOK_EVERY)
