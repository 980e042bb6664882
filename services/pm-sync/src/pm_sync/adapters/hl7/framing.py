"""The minimal lower layer protocol: messages between bytes that begin and end a block (HL7 implementation guide C)."""

import asyncio

BEGIN, END = b"\x0b", b"\x1c\r"
LARGEST = 1_000_000
BLOCK_SECONDS = 30.0
"""How long a block may take from its first byte to its last."""


class BadFraming(Exception):  # noqa: N818 - it says what it is
    """What comes is no block: the connection is given up."""


async def read_block(reader: asyncio.StreamReader, *, idle_seconds: float) -> bytes | None:
    """The next message; None when the sender has closed. Bytes between blocks are left out.

    Raises `BadFraming`, and TimeoutError when nothing comes or a block does not end.
    """
    async with asyncio.timeout(idle_seconds):
        skipped = 0
        while (first := await reader.read(1)) != BEGIN:
            if not first:
                return None
            skipped += 1
            if skipped > LARGEST:
                raise BadFraming
    async with asyncio.timeout(BLOCK_SECONDS):
        try:
            block = await reader.readuntil(END)
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise BadFraming from None
    return block[: -len(END)]


def framed(message: bytes) -> bytes:
    """A message as a block."""
    return BEGIN + message + END
