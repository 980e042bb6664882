"""Serves an app with granian inside this process' own event loop: one process, one loop, signals that are ours."""

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Protocol

from fastapi import FastAPI
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

MAX_CONNECTIONS = 20_000
"""Granian queues connections above its backpressure; a staff stream is a connection that stays (evidence.md)."""

HEADER_SECONDS = 15.0
"""How long a client may take to send the headers of a request, before it is cut."""


LEAVING_SECONDS = 20.0
"""How long requests that are under way may take once the server stops. A client that takes nothing takes for ever."""


class Draining(Protocol):
    """What an app may put into `app.state.draining`: called when the server is told to stop, to end open streams."""

    def __call__(self) -> None:
        """End what would otherwise stay open."""


async def serve(  # noqa: PLR0913 - what serving depends on
    app: FastAPI,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[], None],
    leaving_seconds: float = LEAVING_SECONDS,
) -> None:
    """Run the app until `stop` is set, then answer what is under way, run the app's shutdown, and return.

    `ready` is called once connections are accepted. Raises OSError when the port is taken, and whatever the app's own
    start raises.
    """
    await _check_port(host, port)
    async with app.router.lifespan_context(app):
        server = Server(
            app,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            backlog=4096,
            backpressure=MAX_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=int(HEADER_SECONDS * 1000)),
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(stop.wait())
        try:
            await _until_accepting(host, port, serving)
            _collect_garbage_seldom()
            ready()
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            draining: Draining | None = getattr(app.state, "draining", None)
            if draining is not None:
                draining()
            server.stop()  # type: ignore[no-untyped-call]  # granian leaves this one method untyped
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(serving, leaving_seconds)


def _collect_garbage_seldom() -> None:
    """Leave what is loaded by now out of every collection, and collect some hundred times less often than by default.

    A batch makes hundreds of thousands of objects that are no garbage: the default costs a consumer a quarter of its
    throughput, and a threshold of 100,000 still a tenth.
    """
    gc.freeze()
    gc.set_threshold(300_000, 50, 50)


async def _check_port(host: str, port: int) -> None:
    """Fail now, in our own words, rather than inside the server's worker."""
    probe = await asyncio.start_server(lambda _reader, _writer: None, host, port)
    probe.close()
    await probe.wait_closed()


async def _until_accepting(host: str, port: int, serving: asyncio.Task[None]) -> None:
    target = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    while not serving.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(target, port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    serving.result()
