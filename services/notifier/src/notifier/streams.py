"""Staff streams: everybody's live view of the practice's history, without a gap that is not announced (promise 5)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from random import random
from time import time
from typing import Self

from prometheus_client import Counter, Gauge, Histogram
from pydantic_core import to_json

from notifier.cursors import Cursor
from notifier.domain.inboxes import StreamFilter
from notifier.domain.visibility import Practice
from notifier.rooms import Client, CountsOf, PracticeOf, Room
from notifier.staff_log import Entry, PartitionLog, cursor_of, frame, id_of, new_entries
from shared_messaging import KafkaConnection, Record, note_delivery
from shared_messaging.publisher import partition_of
from shared_messaging.tail import TopicTail
from shared_schemas import topics
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    MessageAnnouncedV1,
    StaffEvent,
)
from shared_web import Principal

STILL_HERE = b": still here\n"
"""A comment, without the empty line that ends an event: some clients make an empty event of one."""
HISTORY = 2_000
"""Records of each partition that are read at the start: most clients of a restarted server resume from memory. So far back
is looked for what is only repeated after a cursor, too."""
REPLAY_LIMIT = 20_000
"""A client that missed more of its partition re-reads the snapshot: that is faster than the replay."""
REPLAYS_AT_ONCE = 4
"""Clients whose replay is read from Kafka at the same time; each holds what its practice missed. In the morning a hundred
laptops wake up within a minute."""
REPLAY_FRAMES = 100
"""How many missed events are sent in one piece: a replay waits for its client like everything else."""
START_SECONDS = 10.0
"""Whoever comes before the log is read waits so long for it, and is then sent away: their cursor is not known yet, and any
that we gave them could be of long ago. So long waits as well who comes from a server that was ahead of this one.
"""
SPREAD_SECONDS = 5.0
"""Clients of a server that stops come back spread over this time, not all at once."""
RETRY = b"retry: 2000\n"
"""Comes with the first event: how many milliseconds a client waits before it reconnects."""

STREAMS = Gauge("switchboard_staff_streams", "Staff streams that are open.")
RESUMES = Counter("switchboard_stream_resumes", "Streams that began with a cursor, those that were reset included.")
RESETS = Counter("switchboard_stream_resets", "Streams that began with a reset, by why.", ["reason"])
CUT = Counter("switchboard_streams_cut", "Streams that we ended, by why.", ["reason"])
TOLD_SECONDS = Histogram(
    "switchboard_told_seconds",
    "From a message's arrival at our door to its being handed to the staff streams of this process.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)

Outcome = ConversationUpdatedV1 | ConversationActionRejectedV1


class StillReading(Exception):  # noqa: N818 - a state that was found
    """The log is not read yet: nothing can be said of a cursor."""


class StaffStreams:
    """All streams of this process, fed from `staff-notifications`. An asynchronous context manager."""

    def __init__(
        self, kafka: KafkaConnection, practice_of: PracticeOf, counts_of: CountsOf, *, heartbeat_seconds: float
    ) -> None:
        self._tail = TopicTail(kafka, topics.STAFF_NOTIFICATIONS.name, self._receive, history=HISTORY)
        self._heartbeat = heartbeat_seconds
        self._logs: dict[int, PartitionLog] = {}
        self._practice_of = practice_of
        self._counts_of = counts_of
        self._rooms: dict[str, Room] = {}
        self._waiters: dict[str, asyncio.Future[Outcome]] = {}
        self._has_received = asyncio.Event()
        self._replays = asyncio.Semaphore(REPLAYS_AT_ONCE)
        self._is_draining = False

    async def __aenter__(self) -> Self:
        """Begin to read. Returns before the history is read; see `is_ready`."""
        await self._tail.__aenter__()
        partitions = self._tail.partitions
        self._logs = {
            number: PartitionLog(number, self._tail.position(number), partitions) for number in range(partitions)
        }
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End all streams and stop reading."""
        self.drain()
        await self._tail.__aexit__(*exception)

    @property
    def is_ready(self) -> bool:
        """Whether the log is read up to where it was at the start."""
        return bool(self._logs) and self._tail.is_caught_up and not self._is_draining

    def drain(self) -> None:
        """End all streams: their clients reconnect elsewhere and resume, each after another while."""
        self._is_draining = True
        for room in self._rooms.values():
            for client in room.clients:
                client.give(b"retry: %d\n" % (500 + SPREAD_SECONDS * 1000 * random()))  # noqa: S311 - no secret
                client.finish("drain")

    async def outcome_of(self, change_id: str, *, seconds: float) -> Outcome | None:
        """What became of a change that was just published; None when it takes longer."""
        waiter = self._waiters.setdefault(change_id, asyncio.get_running_loop().create_future())
        try:
            return await asyncio.wait_for(asyncio.shield(waiter), seconds)
        except TimeoutError:
            return None
        finally:
            self._waiters.pop(change_id, None)

    async def stream(
        self, caller: Principal, practice: Practice | None, last_event_id: str | None, wanted: StreamFilter
    ) -> AsyncGenerator[bytes]:
        """The bytes of one stream: what was missed since the cursor, then what comes, and counts in between.

        The client is listening before the past is read, so nothing can fall between the two. `practice` is as it is now.
        While the log cannot be read, a stream ends without an event: its client comes back with the cursor that it has.
        """
        practice_id = caller.practice_id or ""
        if not await self._is_read_for(practice_id, last_event_id):
            CUT.labels("still_reading").inc()
            yield RETRY + STILL_HERE
            return
        log, client = self._log_of(practice_id), Client(caller.staff_id, wanted, _ender_of_this_task())
        live_from, newest = log.next_offset, self._newest(log)
        room = self._enter(practice_id, client, practice)
        try:
            if last_event_id is None:
                yield RETRY + frame("snapshot", to_json({"cursor": str(newest)}), str(newest))
            else:
                RESUMES.inc()
                async for data in self._missed(log, practice_id, client, room, last_event_id, live_from, newest):
                    yield data
            while True:
                more = await self._next(client, caller.expires_at)
                if more is None:
                    return
                yield more
        finally:
            self._leave(practice_id, room, client)

    def _enter(self, practice_id: str, client: Client, practice: Practice | None) -> Room:
        log = self._log_of(practice_id)
        room = self._rooms.get(practice_id)
        if room is None:
            room = Room(practice_id, self._practice_of, self._counts_of, lambda: self._newest(log))
            self._rooms[practice_id] = room
        room.enter(client, practice)
        STREAMS.inc()
        return room

    def _leave(self, practice_id: str, room: Room, client: Client) -> None:
        room.clients.discard(client)
        if not room.clients:
            room.close()
            self._rooms.pop(practice_id, None)
        STREAMS.dec()
        if client.end:
            CUT.labels(client.end).inc()

    async def page(
        self, caller: Principal, practice: Practice | None, after: str | None, limit: int
    ) -> tuple[list[tuple[str, str, bytes]], str] | None:
        """The same log as a page: (event name, cursor, data) of what the caller sees, and the cursor to go on with.

        None where a stream would say `reset`. Without a cursor, the page is empty and ends where the log does. Raises
        `StillReading`.
        """
        practice_id = caller.practice_id or ""
        if not await self._is_read_for(practice_id, after):
            raise StillReading
        log = self._log_of(practice_id)
        newest = str(self._newest(log))
        if after is None:
            return [], newest
        found = await self._after(log, practice_id, after, log.next_offset)
        if isinstance(found, str):
            return None
        rows: list[tuple[str, str, bytes]] = []
        for entry in found:
            seen = entry.frame_for(caller.staff_id, practice)
            if seen is not None:
                event, _, data = seen.rstrip(b"\n").split(b"\n")
                after = str(Cursor(log.number, entry.offset, entry.check))
                rows.append((event[7:].decode(), after, data[6:]))
                if len(rows) == limit:
                    return rows, after
        return rows, newest

    async def _is_read_for(self, practice_id: str, last_event_id: str | None) -> bool:
        """Whether the log is read, once it is: as far as this cursor, too, if there is such a record at all."""
        if not await self._tail.until_caught_up(START_SECONDS):
            return False
        cursor, log = Cursor.parse(last_event_id or ""), self._log_of(practice_id)
        if cursor is not None and cursor.partition == log.number:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    while cursor.offset >= log.next_offset:
                        await self._has_received.wait()
        return True

    async def _next(self, client: Client, expires_at: float) -> bytes | None:
        """What has come meanwhile, all at once; a heartbeat when nothing has; None at the end."""
        if time() >= expires_at:  # however much is still to be told
            client.finish("expired")
            return None
        if not client.waiting and not client.end:
            seconds = min(self._heartbeat, max(0.0, expires_at - time()))
            try:
                async with asyncio.timeout(seconds):  # wait_for makes a task each time, for every event and client
                    await client.wake.wait()
            except TimeoutError:
                return STILL_HERE
        if client.end in {"slow", "deactivated"}:
            return None
        return client.take() or None

    async def _missed(  # noqa: PLR0913 - what a resume depends on
        self,
        log: PartitionLog,
        practice_id: str,
        client: Client,
        room: Room,
        last_event_id: str,
        live_from: int,
        newest: Cursor,
    ) -> AsyncGenerator[bytes]:
        found = await self._after(log, practice_id, last_event_id, live_from)
        if isinstance(found, str):
            RESETS.labels(found).inc()
            yield RETRY + frame("reset", to_json({"reason": found}), str(newest))
            return
        frames = (one.frame_for(client.staff_id, room.practice, client.wanted) for one in found)
        missed = [one for one in frames if one is not None]
        yield RETRY + STILL_HERE
        for first in range(0, len(missed), REPLAY_FRAMES):
            yield b"".join(missed[first : first + REPLAY_FRAMES])

    async def _after(
        self, log: PartitionLog, practice_id: str, last_event_id: str, live_from: int
    ) -> Sequence[Entry] | str:
        """What came of a practice after a cursor and before `live_from`; or why that cannot be said."""
        cursor = Cursor.parse(last_event_id)
        if cursor is None or cursor.partition != log.number:
            return "unknown_cursor"
        if cursor.offset >= live_from or (cursor.offset < 0 and cursor != Cursor.after(log.number, -1, None)):
            return "unknown_cursor"
        in_memory = log.after(cursor)
        if in_memory is not None:
            return [one for one in in_memory if one.offset < live_from and one.practice_id == practice_id]
        async with self._replays:
            return await self._after_from_kafka(log, practice_id.encode(), cursor, live_from)

    async def _after_from_kafka(
        self, log: PartitionLog, key: bytes, cursor: Cursor, live_from: int
    ) -> Sequence[Entry] | str:
        if live_from - cursor.offset > REPLAY_LIMIT:
            return "too_old"
        records = await self._tail.records(
            log.number,
            max(0, cursor.offset),
            live_from,
            before=HISTORY,
            wanted=lambda offset, of: offset <= cursor.offset or of == key,
        )
        if records is None:
            return "expired_cursor"
        told = [record for record in records if record.offset <= cursor.offset]
        if cursor.offset >= 0 and (not told or cursor_of(told[-1]) != cursor):
            return "unknown_cursor"
        return list(new_entries(records[len(told) :], {id_of(record) for record in told}))

    def _log_of(self, practice_id: str) -> PartitionLog:
        return self._logs[partition_of(practice_id.encode(), len(self._logs))]

    def _receive(self, records: Sequence[Record]) -> None:
        for record in records:
            taken = self._logs[record.partition].append(record)
            if taken is not None:
                self._hand_out(*taken)
                note_delivery(record)
        self._has_received.set()
        self._has_received = asyncio.Event()

    def _hand_out(self, entry: Entry, event: StaffEvent) -> None:
        room = self._rooms.get(entry.practice_id)
        if room is not None:
            room.hand_out(entry, event)
        match event:
            case MessageAnnouncedV1(message=message):
                if self._tail.is_caught_up:
                    TOLD_SECONDS.observe(max(0.0, time() - message.received_at.timestamp()))
            case ConversationAnnouncedV1(conversation=outcome) | ActionRejectionAnnouncedV1(rejection=outcome):
                waiter = self._waiters.get(outcome.change_id)
                if waiter is not None and not waiter.done():
                    waiter.set_result(outcome)
            case _:
                return

    @staticmethod
    def _newest(log: PartitionLog) -> Cursor:
        return Cursor.after(log.number, log.next_offset - 1, log.last_id)


def _ender_of_this_task() -> Callable[[], object]:
    """What cancels the response that is being made: nothing else ends it while the server waits for its client."""
    task = asyncio.current_task()
    return task.cancel if task is not None else lambda: None
