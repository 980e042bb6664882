"""The recent part of `staff-notifications` in memory, ready to be sent: each record is read and encoded once.

Kept of a record is little more than its bytes. The collector of garbage looks at every other object that is alive, and while
it does all streams stand still: hundreds of thousands of events are a second of it.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic_core import to_json

from notifier.cursors import Cursor, check_of
from notifier.domain.announcing import departure
from notifier.domain.inboxes import StreamFilter, listing_of
from notifier.domain.visibility import Practice, still_sees
from shared_messaging import Record, UnreadableMessage
from shared_messaging.records import read_event
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    DutyAnnouncedV1,
    EscalationAnnouncedV1,
    ListedEvent,
    Listing,
    MessageAnnouncedV1,
    MessageUpdateAnnouncedV1,
    PatientAnnouncedV1,
    PatientName,
    SeenAnnouncedV1,
    SettingsAnnouncedV1,
    StaffEvent,
    StaffNotifiedV1,
    WebhookDisabledV1,
)

RING_BYTES = 64 * 1024 * 1024
"""Of all partitions together; a process takes about twice as much for it. Who comes back later is served from Kafka."""
KNOWN_IDS = 100_000
"""Of all partitions together. A batch that is sent again repeats its ids within seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the log, as its readers may see it."""

    offset: int
    check: str
    practice_id: str
    frames: Mapping[str | None, bytes]
    """The server-sent event for each staff member who gets it; under None, for everybody of the practice."""
    listings: tuple[Listing, ...]
    """Where the conversation is listed, and where it was before; none for what is about no conversation."""
    actor: str | None
    """Whoever did it hears of it, wherever the conversation is."""
    settings_version: int
    """Only newer settings hide it from somebody."""
    size: int

    def frame_for(self, staff_id: str, practice: Practice | None, wanted: StreamFilter | None = None) -> bytes | None:
        """What this person's stream carries of it, by the settings as they are now: it may be made by newer ones, of which
        we have not heard yet.
        """
        data = self.frames.get(staff_id) or self.frames.get(None)
        if data is None or not self.listings or staff_id == self.actor:
            return data
        newer = practice if practice is not None and practice.version > self.settings_version else None
        if newer is not None and not any(still_sees(newer, one, staff_id) for one in self.listings):
            return None
        if wanted is not None and not any(wanted.matches(one, staff_id) for one in self.listings):
            return None
        return data


@dataclass(slots=True)
class PartitionLog:
    """What is in memory of one partition."""

    number: int
    next_offset: int = 0
    """The offset after the newest record that was read."""
    sharing: int = 1
    """How many partitions share the memory."""
    last_id: str | None = None
    entries: deque[Entry] = field(default_factory=deque[Entry])
    _size: int = 0
    _known: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    _checks: "OrderedDict[int, str]" = field(default_factory=OrderedDict)
    """Of every record by its offset: clients' cursors are of those, too, that are left out here."""

    def append(self, record: Record) -> tuple[Entry, StaffEvent] | None:
        """Take in the next record; None when its id is known already, or it cannot be read. The event is not kept."""
        self.next_offset = record.offset + 1
        self.last_id = ce_id = id_of(record)
        is_known = ce_id in self._known
        self._known[ce_id] = None
        self._known.move_to_end(ce_id)
        self._checks[record.offset] = check_of(ce_id)
        for bounded in (self._known, self._checks):
            if len(bounded) > KNOWN_IDS // self.sharing:
                bounded.popitem(last=False)
        event = None if is_known else _event_of(record)
        if event is None:
            return None
        entry = _entry_of(record, event)
        self.entries.append(entry)
        self._size += entry.size
        while self._size > RING_BYTES // self.sharing:
            self._forget_first()
        return entry, event

    def after(self, cursor: Cursor) -> list[Entry] | None:
        """What came after the record of the cursor; None when memory does not have that very record."""
        if self._checks.get(cursor.offset) != cursor.check:
            return None
        return [entry for entry in self.entries if entry.offset > cursor.offset]

    def _forget_first(self) -> None:
        gone = self.entries.popleft()
        self._size -= gone.size
        while self._checks and next(iter(self._checks)) <= gone.offset:
            self._checks.popitem(last=False)


def id_of(record: Record) -> str:
    """The id of the record's event: a record that is sent again has the same."""
    return record.headers.get("ce_id", b"").decode(errors="replace")


def cursor_of(record: Record) -> Cursor:
    """The cursor of whoever has seen this record last."""
    return Cursor.after(record.partition, record.offset, id_of(record))


def new_entries(records: Sequence[Record], seen: set[str]) -> Iterator[Entry]:
    """The records as entries, without repetitions; `seen` is added to."""
    for record in records:
        ce_id = id_of(record)
        event = None if ce_id in seen else _event_of(record)
        seen.add(ce_id)
        if event is not None:
            yield _entry_of(record, event)


def frame(name: str, data: bytes, cursor: str | None = None) -> bytes:
    """A server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    id_line = b"" if cursor is None else b"id: " + cursor.encode() + b"\n"
    return b"event: " + name.encode() + b"\n" + id_line + b"data: " + data + b"\n\n"


def _event_of(record: Record) -> StaffEvent | None:
    """None when it cannot be read: the topic is ours alone, so nobody is owed it."""
    try:
        event = read_event(record)
    except UnreadableMessage:
        return None
    return event if isinstance(event, StaffEvent) else None


def _entry_of(record: Record, event: StaffEvent) -> Entry:
    cursor = cursor_of(record)
    frames = dict(_frames(event, str(cursor)))
    return Entry(
        record.offset,
        cursor.check,
        event.practice_id,
        frames,
        tuple(_one_of_equals(listing) for listing in _listings(event)),  # pyright: ignore[reportArgumentType]  # frozen, so hashable
        _actor(event),
        settings_version=event.settings_version if isinstance(event, ListedEvent) else 0,
        size=sum({id(one): len(one) for one in frames.values()}.values()) + 64 * len(frames) + 200,
    )


@lru_cache(maxsize=10_000)
def _one_of_equals(listing: Listing) -> Listing:
    """The same object for equal listings: most conversations of a practice are listed in a few ways."""
    return listing


def _frames(event: StaffEvent, cursor: str) -> Iterator[tuple[str | None, bytes]]:
    match event:
        case MessageAnnouncedV1():
            shown = frame("message", _with_patient(event.message, event.patient), cursor)
            yield from ((staff_id, shown) for staff_id in event.visible_to)
            if event.left:
                gone = frame("conversation", _with_patient(departure(event.message), event.patient), cursor)
                yield from ((staff_id, gone) for staff_id in event.left)
        case ConversationAnnouncedV1():
            shown = frame("conversation", _with_patient(event.conversation, event.patient), cursor)
            yield from ((staff_id, shown) for staff_id in event.visible_to)
        case MessageUpdateAnnouncedV1() | ActionRejectionAnnouncedV1() | PatientAnnouncedV1() | WebhookDisabledV1():
            shown = frame(event.stream_event, _plain(event), cursor)
            yield from ((staff_id, shown) for staff_id in event.visible_to)
        case StaffNotifiedV1():
            about = event.model_dump(
                mode="json", exclude={"notifications", "practice_id", "listed", "settings_version"}
            )
            for one in event.notifications:
                yield one.staff_id, frame("notification", to_json(one.model_dump() | about), cursor)
        case SettingsAnnouncedV1():
            yield None, frame("settings", event.model_dump_json(exclude={"deactivated", "affected"}).encode(), cursor)
            gone = frame("reset", b'{"reason":"permissions_changed"}', cursor)
            yield from ((staff_id, gone) for staff_id in event.affected)
        case SeenAnnouncedV1():
            others = event.model_copy(update={"notification_ids": ()})
            shown = frame("seen", others.model_dump_json(exclude={"visible_to"}).encode(), cursor)
            yield from ((staff_id, shown) for staff_id in event.visible_to)
            yield event.staff_id, frame("seen", event.model_dump_json(exclude={"visible_to"}).encode(), cursor)
        case EscalationAnnouncedV1() | DutyAnnouncedV1():
            yield None, frame(event.stream_event, _of_practice(event), cursor)
        case _:
            return


def _of_practice(event: EscalationAnnouncedV1 | DutyAnnouncedV1) -> bytes:
    """The data of an event that everybody of the practice gets."""
    if isinstance(event, EscalationAnnouncedV1):
        return event.escalation.model_dump_json().encode()
    return event.model_dump_json(exclude={"practice_id"}).encode()


def _plain(
    event: MessageUpdateAnnouncedV1 | ActionRejectionAnnouncedV1 | PatientAnnouncedV1 | WebhookDisabledV1,
) -> bytes:
    """The data of an event that says the same to everybody who gets it."""
    match event:
        case MessageUpdateAnnouncedV1(update=about) | ActionRejectionAnnouncedV1(rejection=about):
            return about.model_dump_json().encode()
        case PatientAnnouncedV1() | WebhookDisabledV1():
            return event.model_dump_json(exclude={"visible_to"}).encode()


def _with_patient(event: RoutedMessageV1 | ConversationUpdatedV1, patient: PatientName | None) -> bytes:
    name = patient.model_dump_json() if patient is not None else "null"
    return f'{event.model_dump_json()[:-1]},"patient":{name}}}'.encode()


def _listings(event: StaffEvent) -> Iterator[Listing]:
    match event:
        case MessageAnnouncedV1(message=about) | ConversationAnnouncedV1(conversation=about):
            yield listing_of(about)
            if event.was is not None:
                yield event.was
        case MessageUpdateAnnouncedV1(update=update):
            yield listing_of(update)
        case StaffNotifiedV1(listed=Listing() as listed):
            yield listed
        case _:
            return


def _actor(event: StaffEvent) -> str | None:
    match event:
        case ConversationAnnouncedV1(conversation=done) if done.actor.kind == "staff":
            return done.actor.id
        case _:
            return None
