"""The open streams of one practice: who is listening, what each may see now, and each one's counts."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic_core import to_json

from notifier.cursors import Cursor
from notifier.domain.inboxes import StreamFilter
from notifier.domain.visibility import Practice
from notifier.staff_log import Entry, frame
from notifier.views import PersonCounts
from shared_database import DATABASE_FAILURES
from shared_schemas.staff_notifications import SettingsAnnouncedV1, StaffEvent

CLIENT_BYTES = 1024 * 1024
"""What waits for a slow client before it is cut. It resumes by its cursor."""
PIECE_BYTES = 64 * 1024
"""What is handed to the server at once, or one event if that is larger: it keeps a few pieces of its own."""
COUNTS_SECONDS = 0.25
"""Counts are told at most this often, however much happens."""
OUTAGE_SECONDS = 1.0

PracticeOf = Callable[[str], Awaitable[Practice | None]]
CountsOf = Callable[[str, Practice | None, Collection[str]], Awaitable[Mapping[str, PersonCounts]]]


@dataclass(slots=True, eq=False)
class Client:
    """One open stream."""

    staff_id: str
    wanted: StreamFilter
    cut: Callable[[], object]
    """Ends the stream even while the server waits for the client to take something."""
    waiting: deque[bytes] = field(default_factory=deque[bytes])
    size: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    counts: bytes = b""
    """What it was told last."""
    end: str = ""
    """Why we end it, once we do."""

    def give(self, data: bytes) -> None:
        """Add to what waits. Too much of it ends the stream."""
        if self.end:
            return
        self.waiting.append(data)
        self.size += len(data)
        if self.size > CLIENT_BYTES:
            self.end = "slow"
            self.cut()
        self.wake.set()

    def take(self) -> bytes:
        """The next piece of what waits; empty when nothing does."""
        self.wake.clear()
        piece: list[bytes] = []
        room = PIECE_BYTES
        while self.waiting and (not piece or len(self.waiting[0]) <= room):
            piece.append(self.waiting.popleft())
            room -= len(piece[-1])
        data = b"".join(piece)
        self.size -= len(data)
        return data

    def finish(self, reason: str) -> None:
        """End the stream."""
        self.end = self.end or reason
        self.wake.set()


class Room:
    """The streams of one practice. Made with the first of them, closed with the last."""

    def __init__(
        self, practice_id: str, practice_of: PracticeOf, counts_of: CountsOf, newest: Callable[[], Cursor]
    ) -> None:
        self.clients: set[Client] = set()
        self.practice: Practice | None = None
        """As of the newest settings that we know of; None while there are none."""
        self._practice_id = practice_id
        self._practice_of = practice_of
        self._counts_of = counts_of
        self._newest = newest
        self._uncounted: set[str | None] = set()
        self._settings_changed = asyncio.Event()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._tell_counts(), name="counts of a practice")

    def enter(self, client: Client, practice: Practice | None) -> None:
        """Let a client listen, of a practice as it is now. It is told its counts."""
        self.clients.add(client)
        if practice is not None and (self.practice is None or practice.version > self.practice.version):
            self.practice = practice
        self._count(client.staff_id)

    def close(self) -> None:
        """Stop counting."""
        self._task.cancel()

    def hand_out(self, entry: Entry, event: StaffEvent) -> None:
        """Give an event to everybody who gets it."""
        for client in self.clients:
            data = entry.frame_for(client.staff_id, self.practice, client.wanted)
            if data is not None:
                client.give(data)
        if isinstance(event, SettingsAnnouncedV1):
            self._settings_changed.set()
            for client in self.clients:
                if client.staff_id in event.deactivated:
                    client.finish("deactivated")
        self._count(*entry.frames)

    def _count(self, *staff_ids: str | None) -> None:
        self._uncounted.update(staff_ids)
        self._changed.set()

    async def _tell_counts(self) -> None:
        """Absolute numbers, read after what changed them: the newest one is right, whatever was missed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            uncounted, self._uncounted = self._uncounted, set()
            try:
                await self._count_now(uncounted)
            except DATABASE_FAILURES:
                self._uncounted |= uncounted
                self._changed.set()
                await asyncio.sleep(OUTAGE_SECONDS)
            # Who may see what cannot wait like counts.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settings_changed.wait(), COUNTS_SECONDS)

    async def _count_now(self, uncounted: Collection[str | None]) -> None:
        if self._settings_changed.is_set():
            self._settings_changed.clear()
            try:
                self.practice = await self._practice_of(self._practice_id)
            except DATABASE_FAILURES:
                self._settings_changed.set()
                raise
        people = {one.staff_id for one in self.clients if None in uncounted or one.staff_id in uncounted}
        if not people:
            return
        counted = await self._counts_of(self._practice_id, self.practice, people)
        cursor = str(self._newest())
        encoded = {staff_id: to_json(counts) for staff_id, counts in counted.items()}
        for client in self.clients:
            data = encoded.get(client.staff_id)
            if data is not None and data != client.counts:
                client.counts = data
                client.give(frame("counts", data, cursor))
