"""Consuming beside open doors: what comes in is accepted before Kafka is there, and when it is not."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import structlog

from shared_messaging import Engine, MissingTopics
from shared_messaging.connection import OUTAGES

log = structlog.get_logger()

_PAUSE = 1.0


@asynccontextmanager
async def consuming(create_engine: Callable[[], Engine], stopped: Callable[[str], None]) -> AsyncGenerator[None]:
    """Run an engine until the end of the block. Its start is tried until Kafka answers.

    `stopped` is called with the reason when Kafka is there and lacks topics.
    """
    is_closing = asyncio.Event()
    is_running = asyncio.Event()

    async def consume() -> None:
        while True:
            try:
                async with create_engine():
                    is_running.set()
                    await is_closing.wait()
                    return
            except MissingTopics as missing:
                stopped(str(missing))
                return
            except OUTAGES as error:
                log.warning("kafka cannot be reached to consume; messages are accepted", error=type(error).__name__)
                await asyncio.sleep(_PAUSE)

    task = asyncio.create_task(consume(), name="consuming")
    try:
        yield
    finally:
        is_closing.set()
        if not is_running.is_set():
            task.cancel()
        await asyncio.wait([task])
