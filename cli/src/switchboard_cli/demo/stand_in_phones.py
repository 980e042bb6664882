"""The phones behind the stand-in providers: what they are sent, and what becomes of it."""

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import httpx
from pydantic import BaseModel

MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + (b"\xff\xfb\x10\xc4" + bytes(100)) * 40
"""About a second of silence: an empty tag, and frames of 32 kbit/s."""


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    + _chunk(b"IEND", b"")
)
"""One grey pixel."""


class Behaviour(BaseModel):
    """How a phone behaves."""

    refusal: int | None = None
    """The provider's error code for a text to it; None: it is taken."""
    fate: Literal["delivered", "undelivered", "silent"] = "delivered"
    """What is told of a text that was taken; silent: nothing at all."""
    fate_code: int | None = None
    """The provider's error code for what was not delivered."""


class SentText(BaseModel):
    """One text that a patient would have received."""

    to: str
    from_: str
    body: str
    sent_at: datetime

    def as_listed(self) -> dict[str, str]:
        """The form of the outbox."""
        return {"to": self.to, "from": self.from_, "body": self.body, "sent_at": self.sent_at.isoformat()}


@dataclass(slots=True)
class Outbox:
    """What was sent, and how phones behave."""

    texts: list[SentText] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    http: httpx.AsyncClient | None = None
    _telling: set["asyncio.Task[None]"] = field(default_factory=set)

    def behaviour(self, phone: str) -> Behaviour:
        """How this phone behaves."""
        return self.behaviours.get(phone, Behaviour())

    def add(self, to: str, from_: str, body: str) -> int:
        """Note a text; returns its number."""
        self.texts.append(SentText(to=to, from_=from_, body=body, sent_at=datetime.now(UTC)))
        return len(self.texts)

    def tell(self, callbacks: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
        """Tell the system something, after the answer under way."""
        if self.http is not None:
            task = asyncio.ensure_future(_quietly(callbacks(self.http)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def finish(self) -> None:
        """Wait for what is being told."""
        await asyncio.gather(*self._telling)


async def _quietly(work: Awaitable[None]) -> None:
    """Providers try a webhook once or a few times, and go on."""
    try:
        await work
    except httpx.HTTPError:
        return
