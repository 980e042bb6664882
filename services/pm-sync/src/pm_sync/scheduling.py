"""Asks every connection in its time: fairly, with jitter, and none at the cost of another.

A connection that fails is left alone for longer and longer, those that keep failing have few places among themselves,
and one whose server hangs gives its place to others after a moment: nobody waits for them.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Gauge

from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.domain.schedule import next_due
from pm_sync.storage.schedule import LEASE, Due, claim_due, next_due_at, renew_leases, settle, standings
from shared_database import DATABASE_FAILURES
from shared_messaging import Conflict, Fenced, PublishFailed

if TYPE_CHECKING:
    from shared_database.pools import Pool

LONGEST_RUN = timedelta(minutes=30)
SWIFT = timedelta(seconds=2)
"""Most questions are answered in this time."""
_LOOK_AT_LEAST_EVERY = 1.0
_STANDINGS_EVERY = timedelta(seconds=15)
_OURS_PAUSE = timedelta(seconds=10)
"""After a failure that is not the source's."""

CONNECTIONS = Gauge("switchboard_pm_connections", "Connections, by kind and state.", ["kind", "state"])
OLDEST_SUCCESS = Gauge(
    "switchboard_pm_oldest_success_timestamp_seconds",
    "When the connection that succeeded longest ago succeeded last.",
    ["kind"],
)
RUNNING = Gauge("switchboard_pm_running", "Connections that are being asked now.")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Places:
    """How many connections are asked at once."""

    swift: int = 40
    """Of those that began less than `SWIFT` ago: what takes longer goes on beside them."""
    troubled: int = 8
    """Of those that have failed several times in a row."""
    all: int = 250


@dataclass(frozen=True, slots=True)
class _Running:
    task: "asyncio.Task[None]"
    is_troubled: bool
    began_at: datetime


Ask = Callable[[Due], Awaitable[timedelta | None]]
"""Asks a connection and returns how often that is to be; None when it is not to be asked. Raises `SourceProblem`."""


class Scheduler:
    """One for each process; several processes share the connections."""

    def __init__(self, pool: "Pool", ask: Ask, clock: Callable[[], datetime], places: Places | None = None) -> None:
        self._pool = pool
        self._ask = ask
        self._clock = clock
        self._places = places or Places()
        self._running: dict[str, _Running] = {}
        self._wake = asyncio.Event()
        self._renewed_at = self._counted_at = clock()

    def wake(self) -> None:
        """Something may be due at once."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; then what is running is stopped, and due again."""
        try:
            while True:
                try:
                    await self._look()
                except DATABASE_FAILURES as error:
                    log.warning("the schedule cannot be read", error=type(error).__name__)
                await self._until_something()
        finally:
            running = dict(self._running)
            for one in running.values():
                one.task.cancel()
            if running:
                await asyncio.wait([one.task for one in running.values()])
                with contextlib.suppress(*DATABASE_FAILURES):
                    await renew_leases(self._pool, running, self._clock() - 2 * LEASE)

    async def _look(self) -> None:
        now = self._clock()
        for is_troubled in (True, False):
            for due in await claim_due(self._pool, now, self._free(now, is_troubled=is_troubled), troubled=is_troubled):
                task = asyncio.create_task(self._run(due), name=f"connection {due.connection_id}")
                self._running[due.connection_id] = _Running(task, is_troubled, now)
                task.add_done_callback(partial(self._ended, due.connection_id))
        if now - self._renewed_at > LEASE / 3:
            await renew_leases(self._pool, self._running, now)
            self._renewed_at = now
        if now - self._counted_at > _STANDINGS_EVERY:
            await self._count()
            self._counted_at = now
        RUNNING.set(len(self._running))

    def _free(self, now: datetime, *, is_troubled: bool) -> int:
        """How many more may be asked now."""
        beside = [one for one in self._running.values() if one.is_troubled == is_troubled]
        if is_troubled:
            free = self._places.troubled - len(beside)
        else:
            free = self._places.swift - sum(now - one.began_at < SWIFT for one in beside)
        return min(free, self._places.all - len(self._running))

    def _ended(self, connection_id: str, _: "asyncio.Task[None]") -> None:
        del self._running[connection_id]
        self._wake.set()

    async def _until_something(self) -> None:
        """Until the next one is due, or a place is free, or somebody wakes us."""
        seconds = _LOOK_AT_LEAST_EVERY
        with contextlib.suppress(*DATABASE_FAILURES):
            now = self._clock()
            kinds = [is_troubled for is_troubled in (True, False) if self._free(now, is_troubled=is_troubled) > 0]
            at = await next_due_at(self._pool, kinds)
            if at is not None:
                seconds = min(seconds, max(0.05, (at - now).total_seconds()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _run(self, due: Due) -> None:
        interval, failures, retry_after = _OURS_PAUSE, due.failures, None
        try:
            async with asyncio.timeout(LONGEST_RUN.total_seconds()):
                asked_every = await self._ask(due)
            interval, failures = asked_every or timedelta(days=1), 0
        except SourceProblem as problem:
            failures, retry_after = failures + 1, problem.retry_after
            log.warning("a source has trouble", connection_id=due.connection_id, practice_id=due.practice_id)
        except (PublishFailed, Fenced, Conflict, TimeoutError, *DATABASE_FAILURES) as error:
            log.warning("a run ended early", connection_id=due.connection_id, error=type(error).__name__)
        except Exception:
            failures += 1
            log.exception("a run failed", connection_id=due.connection_id)
        fraction = random.random()  # noqa: S311 - jitter is no secret
        due_at = next_due(self._clock(), interval, failures, retry_after, fraction)
        try:
            await settle(self._pool, due, due_at, failures)
        except DATABASE_FAILURES as error:
            log.warning("a run cannot be settled", connection_id=due.connection_id, error=type(error).__name__)

    async def _count(self) -> None:
        for one in await standings(self._pool):
            CONNECTIONS.labels(one.kind, "failing").set(one.failing)
            CONNECTIONS.labels(one.kind, "new").set(one.never_succeeded)
            CONNECTIONS.labels(one.kind, "all").set(one.connections)
            if one.oldest_success_at is not None:
                OLDEST_SUCCESS.labels(one.kind).set(one.oldest_success_at.timestamp())
