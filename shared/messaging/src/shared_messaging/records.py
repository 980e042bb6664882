"""What a consumer gets: a record as Kafka kept it, and the event that was decoded from it."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from shared_messaging.failures import UnreadableMessage
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_schemas.values import Event

T = TypeVar("T")
E_co = TypeVar("E_co", bound=Event, covariant=True)

OVERHEAD_BYTES = 1_000
"""What Python takes for a record besides its value, about."""

_KEY = re.compile(rb"([A-Za-z0-9_-]{1,64})(?:/[A-Za-z0-9_-]{1,64})?")


class Record(NamedTuple):
    """One Kafka record, as bytes. A tuple because a backlog makes tens of thousands of them a second."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    raw_headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    """When the producer or the broker took it, in milliseconds since 1970 (UTC)."""

    @property
    def size(self) -> int:
        """In bytes, as it waits in memory."""
        return len(self.value or b"") + OVERHEAD_BYTES

    @property
    def headers(self) -> Mapping[str, bytes]:
        """The headers by name; of a repeated name the last."""
        return dict(self.raw_headers)

    @property
    def practice_id(self) -> str:
        """The practice that the key names: `<practice>` or `<practice>/<patient>`.

        Raises `UnreadableMessage` for any other key.
        """
        match = _KEY.fullmatch(self.key or b"")
        if match is None:
            reason = "the key is neither <practice> nor <practice>/<patient>"
            raise UnreadableMessage(reason)
        return match[1].decode()

    @property
    def patient_id(self) -> str | None:
        """The patient that the key names, for topics that are keyed by patient."""
        _, slash, patient = (self.key or b"").partition(b"/")
        return patient.decode() if slash else None


class Received(NamedTuple, Generic[E_co]):
    """An event, and the record that it came in."""

    record: Record
    event: E_co


def first_of_each(things: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """Without the later ones of the same key, each at the place of the first: a webhook may come twice within a batch, and
    what came between its two times still comes after it.
    """
    first: dict[Hashable, T] = {}
    for one in things:
        first.setdefault(key(one), one)
    return list(first.values())


def read_event(record: Record) -> Event:
    """Decode a record that is not a tombstone.

    Raises `UnreadableMessage`: unknown type, data that does not fit, or a key that is not the event's own. The last
    matters for isolation: the key says which practices a batch may touch.
    """
    try:
        event = decode(record.headers, record.value or b"")
    except UnreadableEvent as error:
        raise UnreadableMessage(str(error)) from None
    if event.key.encode() != record.key:
        reason = "the key is not the key of the event"
        raise UnreadableMessage(reason)
    return event
