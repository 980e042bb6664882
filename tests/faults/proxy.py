"""A TCP proxy whose connections can be made bad, in toxiproxy's words: down, latency, reset, bandwidth, slicer.

https://github.com/Shopify/toxiproxy#toxics
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

CHUNK = 64 * 1024
_AHEAD = 256
_NOT_AT_ALL = struct.pack("ii", 1, 0)
"""How long a socket that is closed lingers to say goodbye: then it is reset instead."""


@dataclass
class Proxy:
    """Forwards one port of this machine to another. `upstream_port` may change while it runs."""

    upstream_port: int
    port: int = 0
    latency: float = 0
    """Seconds that each piece is late, in each direction."""
    bandwidth: float = 0
    """Bytes each second and direction; 0 is no limit."""
    slice_bytes: int = 0
    """Pieces of this size, one after the other; 0 leaves them whole."""
    blackholed: bool = False
    """Connections are made and stay, but nothing comes through."""
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Accept connections, on the same port every time."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and end those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def reset(self) -> None:
        """End all open connections with a TCP reset."""
        for writer in self._writers:
            if writer.transport.is_closing():
                continue
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOT_AT_ALL)
            writer.transport.abort()

    def heal(self) -> None:
        """Forward at once and whole again. What is down stays down: see `up`."""
        self.latency, self.bandwidth, self.slice_bytes = 0, 0, 0
        if self.blackholed:
            self.blackholed = False
            # Bytes were dropped: such a connection can never go on.
            self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)
            return
        self._writers.add(upstream)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._forward(reader, upstream))
                directions.create_task(self._forward(upstream_reader, writer))
        except* OSError:
            pass
        except* asyncio.CancelledError:
            pass
        finally:
            for one in (writer, upstream):
                one.transport.abort()
                self._writers.discard(one)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction. Pieces overtake nothing, and are late side by side: latency costs no bandwidth."""
        loop = asyncio.get_running_loop()
        ahead: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliver(ahead, writer))
            while piece := await reader.read(CHUNK):
                if not self.blackholed:
                    await ahead.put((loop.time() + self.latency, piece))
            await ahead.put((loop.time(), b""))
        # One side has closed: so does the other, as a connection through a proxy does.
        raise ConnectionResetError

    async def _deliver(self, ahead: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, piece = await ahead.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not piece:
                return
            size = self.slice_bytes or len(piece)
            for start in range(0, len(piece), size):
                part = piece[start : start + size]
                if self.bandwidth:
                    await asyncio.sleep(len(part) / self.bandwidth)
                writer.write(part)
                with contextlib.suppress(ConnectionResetError):
                    await writer.drain()
