"""Serving an app, and stopping to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI

from shared_web import serve
from shared_web.event_streams import EventStream
from switchboard_cli.ports import free_port

PATIENCE = 20.0


@dataclass
class Pouring:
    """An app with one stream that has no end."""

    port: int = field(default_factory=free_port)
    given: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def content(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.given += 1
                yield b"x" * 60_000
        finally:
            self.closed.set()

    async def stuck_client(self) -> asyncio.StreamWriter:
        """A client that asks and reads nothing; returned when nothing more goes in."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            before = 0
            while not self.given or self.given != before:
                before = self.given
                await asyncio.sleep(0.2)
        return writer


@asynccontextmanager
async def pouring() -> AsyncGenerator[tuple[Pouring, asyncio.Event, asyncio.Task[None]]]:
    app, one, stop, ready = FastAPI(), Pouring(), asyncio.Event(), asyncio.Event()

    @app.get("/stream", response_class=EventStream)
    async def stream() -> EventStream:
        return EventStream(one.content())

    serving = asyncio.create_task(
        serve(app, host="127.0.0.1", port=one.port, stop=stop, ready=ready.set, leaving_seconds=0.5)
    )
    await asyncio.wait_for(ready.wait(), PATIENCE)
    yield one, stop, serving
    stop.set()
    await asyncio.wait_for(serving, PATIENCE)


async def test_a_stream_closes_when_its_client_has_gone() -> None:
    async with pouring() as (one, _, _):
        writer = await one.stuck_client()
        assert not one.closed.is_set()
        writer.transport.abort()
        await asyncio.wait_for(one.closed.wait(), PATIENCE)


async def test_a_client_that_takes_nothing_does_not_keep_the_server_from_stopping() -> None:
    async with pouring() as (one, stop, serving):
        writer = await one.stuck_client()
        stop.set()
        await asyncio.wait_for(serving, PATIENCE)
        writer.close()
