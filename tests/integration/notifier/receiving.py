"""A webhook receiver over a real socket: it keeps what it is sent, and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = "HTTP/1.1 204 No Content\r\n\r\n"
HANGS = ""
"""An answer that does not come."""


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass
class Receiver:
    """`answers` gives, by path, the whole HTTP answer to a request."""

    port: int = 0
    received: list[Received] = field(default_factory=list[Received])
    answers: dict[str, Callable[[], str]] = field(default_factory=dict[str, Callable[[], str]])
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    async def until(self, count: int, path: str = "/") -> list[Received]:
        """What came to a path, once so many have."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                path = request.split(" ")[1]
                async with self._changed:
                    self.received.append(Received(path, headers, body))
                    self._changed.notify_all()
                answer = self.answers.get(path, lambda: OK)()
                if answer == HANGS:
                    await reader.read()
                    return
                writer.write(answer.encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncGenerator[Receiver]:
    listening = Receiver()
    server = await asyncio.start_server(listening.serve, "127.0.0.1", 0)
    listening.port = server.sockets[0].getsockname()[1]
    try:
        yield listening
    finally:
        server.close()


def says(status: int, *headers: str) -> Callable[[], str]:
    return lambda: "\r\n".join((f"HTTP/1.1 {status} So", *headers, "Content-Length: 0", "", ""))
