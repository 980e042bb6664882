"""Working off a queue for as long as the process lives. What fails is tried again, ever later, for about eight hours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import structlog

_LONGEST_WAIT = timedelta(minutes=15)
_MOST_ATTEMPTS = 40

log = structlog.get_logger()

T = TypeVar("T")


async def work_off(
    take: Callable[[], Awaitable[Sequence[T]]], work: Callable[[T], Awaitable[None]], *, look_seconds: float
) -> None:
    """Take what is due and work on all of it at once, until cancelled. What `work` raises ends nothing, be it that the
    database is away, that the spool is full, or a mistake of ours: that piece comes again after its lease.
    """
    while True:
        try:
            due = await take()
            await asyncio.gather(*map(work, due))
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("work is left for later", error=type(error).__name__)
            due = []
        if not due:
            await asyncio.sleep(look_seconds)


def is_last(attempts: int) -> bool:
    """Whether this attempt, after so many, is the last one."""
    return attempts + 1 >= _MOST_ATTEMPTS


def wait_after(attempts: int, first_wait: timedelta) -> timedelta:
    """How long to wait after this attempt, after so many: twice as long each time, up to a quarter of an hour."""
    return min(first_wait * (1 << attempts), _LONGEST_WAIT)
