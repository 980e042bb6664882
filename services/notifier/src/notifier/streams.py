"""Staff streams: everybody's live view of the practice's history, without a gap that is not announced (promise 5)."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Self

from prometheus_client import Counter, Gauge
from pydantic_core import to_json

from notifier.cursors import Cursor
from notifier.staff_log import Entry, PartitionLog, frame, new_entries
from shared_messaging import KafkaConnection, Record
from shared_messaging.publisher import partition_of
from shared_messaging.tail import TopicTail
from shared_schemas import topics
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    SettingsAnnouncedV1,
)
from shared_web import Principal

HISTORY = 2_000
"""Records of each partition that are read at the start: most clients of a restarted server resume from memory."""
REPLAY_LIMIT = 20_000
"""A client that missed more of its partition re-reads the snapshot: that is faster than the replay."""
CLIENT_BYTES = 1024 * 1024
"""What waits for a slow client before it is cut. It resumes by its cursor."""
RETRY = b"retry: 2000\n"
"""Comes with the first event: how many milliseconds a client waits before it reconnects."""

STREAMS = Gauge("switchboard_staff_streams", "Staff streams that are open.")
RESETS = Counter("switchboard_stream_resets", "Streams that began with a reset, by why.", ["reason"])
CUT = Counter("switchboard_streams_cut", "Streams that we ended, by why.", ["reason"])

Outcome = ConversationUpdatedV1 | ConversationActionRejectedV1


@dataclass(slots=True, eq=False)
class _Client:
    """One open stream."""

    staff_id: str
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    end: str = ""
    """Why we end it, once we do."""

    def give(self, data: bytes) -> None:
        self.waiting.append(data)
        self.size += len(data)
        if self.size > CLIENT_BYTES:
            self.end = self.end or "slow"
        self.wake.set()

    def take(self) -> bytes:
        data = b"".join(self.waiting)
        self.waiting.clear()
        self.size = 0
        self.wake.clear()
        return data

    def finish(self, reason: str) -> None:
        self.end = self.end or reason
        self.wake.set()


class StaffStreams:
    """All streams of this process, fed from `staff-notifications`. An asynchronous context manager."""

    def __init__(self, kafka: KafkaConnection, *, heartbeat_seconds: float) -> None:
        self._tail = TopicTail(kafka, topics.STAFF_NOTIFICATIONS.name, self._receive, history=HISTORY)
        self._heartbeat = heartbeat_seconds
        self._logs: dict[int, PartitionLog] = {}
        self._clients: dict[str, set[_Client]] = defaultdict(set)
        self._waiters: dict[str, asyncio.Future[Outcome]] = {}
        self._is_draining = False

    async def __aenter__(self) -> Self:
        """Begin to read. Returns before the history is read; see `is_ready`."""
        await self._tail.__aenter__()
        self._logs = {
            number: PartitionLog(number, self._tail.position(number)) for number in range(self._tail.partitions)
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
        """End all streams: their clients reconnect elsewhere and resume."""
        self._is_draining = True
        for clients in self._clients.values():
            for client in clients:
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

    async def stream(self, caller: Principal, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """The bytes of one stream: what was missed since the cursor, then what comes.

        The client is listening before the past is read, so nothing can fall between the two.
        """
        practice_id = caller.practice_id or ""
        log, client = self._log_of(practice_id), _Client(caller.staff_id)
        live_from, newest = log.next_offset, Cursor.after(log.number, log.next_offset - 1, log.last_id)
        clients = self._clients[practice_id]
        clients.add(client)
        STREAMS.inc()
        try:
            if last_event_id is None:
                yield RETRY + frame("snapshot", to_json({"cursor": str(newest)}), str(newest))
            else:
                yield await self._missed(log, practice_id, caller.staff_id, last_event_id, live_from, newest)
            while True:
                data = await self._next(client, caller.expires_at)
                if data is None:
                    return
                yield data
        finally:
            clients.discard(client)
            STREAMS.dec()
            if client.end:
                CUT.labels(client.end).inc()

    async def page(self, caller: Principal, after: str, limit: int) -> tuple[list[tuple[str, str, bytes]], str] | None:
        """The same log as a page: (event name, cursor, data) of what the caller sees, and the cursor to go on with.

        None where a stream would say `reset`.
        """
        practice_id = caller.practice_id or ""
        log = self._log_of(practice_id)
        found = await self._after(log, after, log.next_offset)
        if isinstance(found, str):
            return None
        rows: list[tuple[str, str, bytes]] = []
        cursor = after
        for entry in found:
            seen = entry.frame_for(caller.staff_id) if entry.practice_id == practice_id else None
            if seen is not None:
                event, id_line, data = seen.rstrip(b"\n").split(b"\n")
                cursor = id_line[4:].decode()
                rows.append((event[7:].decode(), cursor, data[6:]))
                if len(rows) == limit:
                    break
        return rows, cursor

    async def _next(self, client: _Client, expires_at: float) -> bytes | None:
        """What has come meanwhile, all at once; a heartbeat when nothing has; None at the end."""
        if not client.waiting and not client.end:
            seconds = min(self._heartbeat, max(0.0, expires_at - time()))
            try:
                await asyncio.wait_for(client.wake.wait(), seconds)
            except TimeoutError:
                if time() >= expires_at:
                    client.finish("expired")
                    return None
                return b": still here\n\n"
        if client.end in {"slow", "deactivated"}:
            return None
        return client.take() or None

    async def _missed(  # noqa: PLR0913 - what a resume depends on
        self, log: PartitionLog, practice_id: str, staff_id: str, last_event_id: str, live_from: int, newest: Cursor
    ) -> bytes:
        found = await self._after(log, last_event_id, live_from)
        if isinstance(found, str):
            RESETS.labels(found).inc()
            return RETRY + frame("reset", to_json({"reason": found}), str(newest))
        frames = (entry.frame_for(staff_id) for entry in found if entry.practice_id == practice_id)
        return b"".join(one for one in frames if one is not None) or b": nothing missed\n\n"

    async def _after(self, log: PartitionLog, last_event_id: str, live_from: int) -> Sequence[Entry] | str:
        """What came after a cursor and before `live_from`; or why that cannot be said."""
        cursor = Cursor.parse(last_event_id)
        if cursor is None or cursor.partition != log.number:
            return "unknown_cursor"
        if cursor.offset >= live_from:
            return "unknown_cursor"
        in_memory = log.after(cursor)
        if in_memory is not None:
            return [entry for entry in in_memory if entry.offset < live_from]
        return await self._after_from_kafka(log, cursor, live_from)

    async def _after_from_kafka(self, log: PartitionLog, cursor: Cursor, live_from: int) -> Sequence[Entry] | str:
        if live_from - cursor.offset > REPLAY_LIMIT:
            return "too_old"
        records = await self._tail.records(log.number, max(0, cursor.offset), live_from)
        if records is None:
            return "expired_cursor"
        if cursor.offset >= 0:
            if not records or _cursor_of(records[0]) != cursor:
                return "unknown_cursor"
            records = records[1:]
        return list(new_entries(records, set()))

    def _log_of(self, practice_id: str) -> PartitionLog:
        return self._logs[partition_of(practice_id.encode(), len(self._logs))]

    def _receive(self, records: Sequence[Record]) -> None:
        for record in records:
            entry = self._logs[record.partition].append(record)
            if entry is not None:
                self._hand_out(entry)

    def _hand_out(self, entry: Entry) -> None:
        for client in self._clients.get(entry.practice_id, ()):
            data = entry.frame_for(client.staff_id)
            if data is not None:
                client.give(data)
        match entry.event:
            case ConversationAnnouncedV1(conversation=outcome) | ActionRejectionAnnouncedV1(rejection=outcome):
                waiter = self._waiters.get(outcome.change_id)
                if waiter is not None and not waiter.done():
                    waiter.set_result(outcome)
            case SettingsAnnouncedV1(deactivated=deactivated):
                for client in self._clients.get(entry.practice_id, ()):
                    if client.staff_id in deactivated:
                        client.finish("deactivated")
            case _:
                return


def _cursor_of(record: Record) -> Cursor:
    ce_id = record.headers.get("ce_id", b"").decode(errors="replace")
    return Cursor.after(record.partition, record.offset, ce_id)
