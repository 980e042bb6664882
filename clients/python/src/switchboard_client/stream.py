"""The staff stream, across disconnects: every event once, in order, or a `reset` that says to read the inboxes again."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from switchboard_client.api import StaffClient, check
from switchboard_client.backoff import delays

SILENCE_SECONDS = 45.0
"""The server says something every fifteen seconds: after three times that the connection is dead."""
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event; `data` has the form that `switchboard_client.types` gives for its kind (`MessageData`, …)."""

    event: str
    id: str
    data: dict[str, Any]


class EventStream:
    """Iterate over it for the events; it ends only with an error that trying again cannot mend (`ApiError` 4xx).

    It begins with `snapshot` (or, with a cursor, with what came since). After `snapshot` and `reset` read what you show
    from the API: the answer is at least as new as the event. Everything after is a change to that.
    """

    def __init__(
        self,
        staff: StaffClient,
        *,
        cursor: str | None = None,
        inbox: str | None = None,
        reason: str | None = None,
        location: str | None = None,
    ) -> None:
        self.cursor = cursor
        """Where to go on: the id of the last event whose handling has ended. Keep it to resume another day."""
        self.connections = 0
        """How often it has connected."""
        self.on_connection: Callable[[bool], None] | None = None
        """Called with True when it has connected, and with False when that is over: say so where people look."""
        self._staff = staff
        wanted = {"inbox": inbox, "reason": reason, "location": location}
        self._query = {name: value for name, value in wanted.items() if value is not None}
        self._known: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Connect, and again whenever the connection ends."""
        waiting = delays()
        while True:
            with suppress(httpx.TransportError):
                async for event in self._connected():
                    waiting = delays()
                    yield event
                    self.cursor = event.id or self.cursor
            await asyncio.sleep(next(waiting))

    async def _connected(self) -> AsyncIterator[StreamEvent]:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        timeout = httpx.Timeout(10, read=SILENCE_SECONDS)
        connecting = aconnect_sse(
            self._staff.http, "GET", "/v1/stream", params=self._query, headers=headers, timeout=timeout
        )
        async with connecting as source:
            if source.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return
            if source.response.is_client_error:
                await source.response.aread()
                check(source.response)
            self.connections += 1
            self._say(is_connected=True)
            try:
                async for sent in source.aiter_sse():
                    event = StreamEvent(sent.event, sent.id, sent.json())
                    if self._is_new(event):
                        yield event
            finally:
                self._say(is_connected=False)

    def _say(self, *, is_connected: bool) -> None:
        if self.on_connection is not None:
            self.on_connection(is_connected)

    def _is_new(self, event: StreamEvent) -> bool:
        """Counts say how it is, not what happened: they have the id of an event that was sent before."""
        if event.event in {"counts", "snapshot"}:
            return True
        if (event.event, event.id) in self._known:
            return False
        self._known.append((event.event, event.id))
        return True
