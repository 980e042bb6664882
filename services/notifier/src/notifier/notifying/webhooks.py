"""Sends webhooks: each at least once, in order while all goes well, and no endpoint waits for another.

An endpoint is worked for by one task of one process at a time. After a failure it is left alone for a while, so one that
hangs holds one of many places, seldom; everything that is due for it keeps its own schedule meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING, cast

import structlog
from prometheus_client import Counter, Histogram
from pydantic_core import from_json

from notifier.domain.retrying import pause_after, wait_after
from notifier.notifying.calls import Calls, event_place
from notifier.storage.webhook_deliveries import (
    Attempt,
    Due,
    Lane,
    due_of,
    forget,
    lease_lanes,
    note_failure,
    note_success,
    release,
)
from notifier.storage.webhook_endpoints import DisabledBecause, Endpoint
from shared_database import DATABASE_FAILURES
from shared_database.sealing import Unopenable

if TYPE_CHECKING:
    from shared_database.pools import Pool
    from shared_schemas.staff_notifications import StreamEvent

MOST_LANES = 200
"""Endpoints that one process works for at the same time."""
_AT_ONCE = 10
_LOOK_SECONDS = 0.5
_FORGET_EVERY = timedelta(hours=1)

CALLS = Counter("switchboard_webhook_calls", "Calls of webhook endpoints, by how they went.", ["outcome"])
WAITED = Histogram(
    "switchboard_webhook_seconds",
    "From an event to a webhook endpoint's having it at the first attempt.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
DISABLED = Counter("switchboard_webhook_endpoints_disabled", "Webhook endpoints that we disabled, by why.", ["because"])

log = structlog.get_logger()

OnDisabled = Callable[[Endpoint, DisabledBecause, datetime], Awaitable[None]]
"""Told when an endpoint was disabled because of how it behaves."""


class WebhookSender:
    """Several may run at once, in as many processes. `failing_limit`: for so long an endpoint may fail in a row."""

    def __init__(
        self,
        pool: "Pool",
        calls: Calls,
        clock: Callable[[], datetime],
        on_disabled: OnDisabled,
        *,
        failing_limit: timedelta,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._clock = clock
        self._on_disabled = on_disabled
        self._failing_limit = failing_limit
        self._working: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._forget_at = clock()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._wake.clear()
                try:
                    taken = await self._take()
                except DATABASE_FAILURES as error:
                    log.warning("webhooks wait for the database", error=type(error).__name__)
                    taken = 0
                if not taken or len(self._working) >= MOST_LANES:
                    await self._something_to_do()
        finally:
            await self._end()

    async def work_once(self) -> None:
        """Work for every endpoint that has something due now, and return."""
        try:
            await self._take()
            await asyncio.gather(*self._working)
        finally:
            await self._end()

    async def _end(self) -> None:
        working = list(self._working)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _take(self) -> int:
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            await forget(self._pool, now)
        room = MOST_LANES - len(self._working)
        lanes = await lease_lanes(self._pool, room, now) if room else []
        for lane in lanes:
            task = asyncio.create_task(self._work(lane), name="webhooks of an endpoint")
            self._working.add(task)
            task.add_done_callback(self._ended)
        return len(lanes)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever happens to one endpoint's task, it is tried again when its lease ends, and the others go on."""
        self._working.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an endpoint's webhooks stopped", error=type(error).__name__)

    async def _something_to_do(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _work(self, lane: Lane) -> None:
        try:
            pause = await self._send_due(lane)
            await release(self._pool, lane, self._clock() + pause)
        except DATABASE_FAILURES as error:
            # Somebody goes on when the lease ends.
            log.warning("webhooks wait for the database", error=type(error).__name__)

    async def _send_due(self, lane: Lane) -> timedelta:
        """Send what is due for one endpoint, until nothing is or something fails: how long to leave it alone then."""
        failures = lane.failures
        while True:
            endpoint, due = await due_of(self._pool, lane, _AT_ONCE, self._clock())
            if endpoint is None or not due:
                return timedelta()
            for one in due:
                attempt = await self._attempt(endpoint, one)
                if not attempt.is_done:
                    await self._note_failure(endpoint, one, attempt)
                    return pause_after(failures + 1)
                await note_success(self._pool, endpoint, one, attempt)
                endpoint, failures = replace(endpoint, failing_since=None), 0
            if len(due) < _AT_ONCE:
                return timedelta()  # whatever came meanwhile makes the endpoint due again when it is released

    async def _attempt(self, endpoint: Endpoint, due: Due) -> Attempt:
        try:
            data = from_json(self._calls.sealer.open(due.data, *event_place(endpoint.practice_id, due.event_id)))
        except Unopenable:
            return Attempt(self._clock(), 0, None, "data_lost")
        name = cast("StreamEvent", due.name)
        attempt = await self._calls.call(endpoint, due.event_id, name, due.happened_at, data)
        CALLS.labels("taken" if attempt.is_done else "refused" if attempt.status else "unanswered").inc()
        if attempt.is_done and due.attempts == 0:
            WAITED.observe(max(0.0, (self._clock() - due.happened_at).total_seconds()))
        return attempt

    async def _note_failure(self, endpoint: Endpoint, due: Due, attempt: Attempt) -> None:
        wait = wait_after(due.attempts + 1, jitter=random(), asked=attempt.retry_after)  # noqa: S311 - no secret
        failing_since = endpoint.failing_since or attempt.at
        disabled: DisabledBecause | None = None
        if attempt.status == HTTPStatus.GONE:
            disabled = "gone"
        elif attempt.at - failing_since >= self._failing_limit:
            disabled = "failing"
        due_at = attempt.at + wait if wait is not None else None
        await note_failure(self._pool, endpoint, due, attempt, due_at, disabled)
        if disabled is not None:
            DISABLED.labels(disabled).inc()
            log.warning("a webhook endpoint is disabled", practice_id=endpoint.practice_id, reason=disabled)
            await self._on_disabled(endpoint, disabled, attempt.at)
