"""Events on their way out: made once, kept with the write of their batch, sent with the same bytes however often."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Self

import msgspec

from shared_schemas.cloudevents import Headers, encode
from shared_schemas.values import Event

_FORMAT = b"\x02"


class Outgoing(NamedTuple):
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, topic: str, event: Event, *, source: str, time: datetime, trace: Headers = ()) -> Self:
        """An event in CloudEvents binary mode under its own key. The same arguments always give the same bytes.

        `trace` is what it came of: `current_trace()`, or `batch.trace_of(record)`.
        """
        headers, value = encode(event, source, time)
        return cls(topic, event.key.encode(), value, (*headers, *trace))


def pack(messages: Sequence[Outgoing]) -> bytes:
    """All messages as one value: a byte for the format, and MessagePack."""
    return _FORMAT + _encode(messages)


def unpack(packed: bytes) -> list[Outgoing]:
    """What `pack` was given. Raises `ValueError` for another format."""
    if packed[:1] != _FORMAT:
        message = "packed by another version"
        raise ValueError(message)
    return _decode(memoryview(packed)[1:])


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Outgoing]).decode
