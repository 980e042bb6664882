"""A mail server on this machine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from email.message import Message

    from aiosmtpd.smtp import Envelope

PATIENCE = 30.0


class Post:
    """A mail server's handler: keeps the mails, and refuses whom it is told to refuse."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        self.answer = "250 OK"
        self.came = asyncio.Event()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's word
        self, _server: object, _session: object, envelope: "Envelope", address: str, _options: object
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, _server: object, _session: object, envelope: "Envelope") -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        self.came.set()
        return "250 OK"

    async def until(self, count: int) -> list[tuple[list[str], "Message"]]:
        """The mails, once there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.mails) < count:
                self.came.clear()
                await self.came.wait()
        return self.mails


@asynccontextmanager
async def a_post() -> AsyncGenerator[tuple[Post, int]]:
    post = Post()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(post, hostname="localhost"), "127.0.0.1", 0)
    try:
        yield post, server.sockets[0].getsockname()[1]
    finally:
        server.close()
