"""The recent part of `staff-notifications` in memory, ready to be sent: each record is read and encoded once."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic_core import to_json

from notifier.cursors import Cursor, check_of
from shared_messaging import Record, UnreadableMessage
from shared_messaging.records import read_event
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    MessageAnnouncedV1,
    SettingsAnnouncedV1,
    StaffEvent,
    StaffNotifiedV1,
)

RING_BYTES = 16 * 1024 * 1024
"""Of each partition. A client that comes back later than this is served from Kafka."""
KNOWN_IDS = 50_000
"""A batch that is sent again repeats its ids within seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the log, as its readers may see it."""

    offset: int
    check: str
    practice_id: str
    event: StaffEvent
    frames: Mapping[str | None, bytes]
    """The server-sent event for each staff member who gets it; under None, for everybody of the practice."""
    size: int

    def frame_for(self, staff_id: str) -> bytes | None:
        """What this person's stream carries of it."""
        return self.frames.get(staff_id) or self.frames.get(None)


@dataclass(slots=True)
class PartitionLog:
    """What is in memory of one partition."""

    number: int
    next_offset: int = 0
    """The offset after the newest record that was read."""
    last_id: str | None = None
    entries: deque[Entry] = field(default_factory=deque[Entry])
    _size: int = 0
    _known: "OrderedDict[str, None]" = field(default_factory=OrderedDict)

    def append(self, record: Record) -> Entry | None:
        """Take in the next record; None when its id is known already, or it cannot be read."""
        self.next_offset = record.offset + 1
        ce_id = record.headers.get("ce_id", b"").decode(errors="replace")
        self.last_id = ce_id
        is_known = ce_id in self._known
        self._known[ce_id] = None
        self._known.move_to_end(ce_id)
        if len(self._known) > KNOWN_IDS:
            self._known.popitem(last=False)
        entry = None if is_known else entry_of(record)
        if entry is not None:
            self.entries.append(entry)
            self._size += entry.size
            while self._size > RING_BYTES:
                self._size -= self.entries.popleft().size
        return entry

    def after(self, cursor: Cursor) -> list[Entry] | None:
        """What came after the record of the cursor; None when memory does not have that very record."""
        for index, entry in enumerate(self.entries):
            if entry.offset == cursor.offset:
                return list(self.entries)[index + 1 :] if entry.check == cursor.check else None
        return None


def entry_of(record: Record) -> Entry | None:
    """The record, encoded for its readers; None when it cannot be read: the topic is ours alone, so nobody is owed it."""
    try:
        event = read_event(record)
    except UnreadableMessage:
        return None
    ce_id = record.headers.get("ce_id", b"").decode(errors="replace")
    cursor = Cursor.after(record.partition, record.offset, ce_id)
    frames = dict(_frames(event, str(cursor)))
    size = sum(map(len, frames.values())) if len(frames) < 2 else max(map(len, frames.values())) + 64 * len(frames)  # noqa: PLR2004
    return (
        Entry(record.offset, check_of(ce_id), event.practice_id, event, frames, size + 200)
        if isinstance(event, StaffEvent)
        else None
    )


def new_entries(records: Sequence[Record], seen: set[str]) -> Iterator[Entry]:
    """The records as entries, without repetitions; `seen` is added to."""
    for record in records:
        ce_id = record.headers.get("ce_id", b"").decode(errors="replace")
        entry = None if ce_id in seen else entry_of(record)
        seen.add(ce_id)
        if entry is not None:
            yield entry


def frame(name: str, data: bytes, cursor: str | None = None) -> bytes:
    """A server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    id_line = b"" if cursor is None else b"id: " + cursor.encode() + b"\n"
    return b"event: " + name.encode() + b"\n" + id_line + b"data: " + data + b"\n\n"


def _frames(event: object, cursor: str) -> Iterator[tuple[str | None, bytes]]:
    match event:
        case MessageAnnouncedV1():
            shared = frame(event.stream_event, event.message.model_dump_json().encode(), cursor)
            yield from ((staff_id, shared) for staff_id in event.visible_to)
        case ConversationAnnouncedV1():
            shared = frame(event.stream_event, event.conversation.model_dump_json().encode(), cursor)
            yield from ((staff_id, shared) for staff_id in event.visible_to)
        case ActionRejectionAnnouncedV1():
            shared = frame(event.stream_event, event.rejection.model_dump_json().encode(), cursor)
            yield from ((staff_id, shared) for staff_id in event.visible_to)
        case StaffNotifiedV1():
            about = event.model_dump(mode="json", exclude={"notifications", "practice_id"})
            for one in event.notifications:
                yield one.staff_id, frame(event.stream_event, to_json(one.model_dump() | about), cursor)
        case SettingsAnnouncedV1():
            yield None, frame(event.stream_event, event.model_dump_json(exclude={"deactivated"}).encode(), cursor)
        case _:
            return
