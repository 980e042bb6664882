"""Events on their way out: made once, kept with the write of their batch, sent with the same bytes however often."""

import struct
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Self

from shared_schemas.cloudevents import encode
from shared_schemas.values import Event

_FORMAT = b"\x01"
_ABSENT = 0xFFFF_FFFF


class Outgoing(NamedTuple):
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, topic: str, event: Event, *, source: str, time: datetime) -> Self:
        """An event in CloudEvents binary mode under its own key. The same arguments always give the same bytes."""
        headers, value = encode(event, source, time)
        return cls(topic, event.key.encode(), value, headers)


def pack(messages: Sequence[Outgoing]) -> bytes:
    """All messages as one value: a byte for the format, the count of fields, their lengths, the fields."""
    fields: list[bytes] = []
    absent: list[int] = []
    for topic, key, value, headers in messages:
        if key is None:
            absent.append(len(fields) + 1)
        if value is None:
            absent.append(len(fields) + 2)
        fields += (topic.encode(), key or b"", value or b"", str(len(headers)).encode())
        for name, content in headers:
            fields += (name.encode(), content)
    lengths = list(map(len, fields))
    for index in absent:
        lengths[index] = _ABSENT
    return b"".join((_FORMAT, struct.pack(f"<{len(lengths) + 1}I", len(lengths), *lengths), *fields))


def unpack(packed: bytes) -> list[Outgoing]:
    """What `pack` was given. Raises `ValueError` for another format."""
    if packed[:1] != _FORMAT:
        message = "packed by another version"
        raise ValueError(message)
    (count,) = struct.unpack_from("<I", packed, 1)
    fields = _fields(packed, struct.unpack_from(f"<{count}I", packed, 5), 5 + 4 * count)
    return list(_messages(fields))


def _fields(packed: bytes, lengths: Sequence[int], start: int) -> Iterator[bytes | None]:
    for length in lengths:
        if length == _ABSENT:
            yield None
        else:
            yield packed[start : start + length]
            start += length


def _messages(fields: Iterator[bytes | None]) -> Iterator[Outgoing]:
    for topic in fields:
        key, value, headers = islice(fields, 3)
        pairs = (tuple(islice(fields, 2)) for _ in range(int(headers or b"0")))
        yield Outgoing(
            (topic or b"").decode(),
            key,
            value,
            tuple(((name or b"").decode(), content or b"") for name, content in pairs),
        )
