"""The demo's staff: everybody has a live stream open, and what each is told, and when, is noted."""

import asyncio
import json
import time
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from httpx_sse import aconnect_sse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@dataclass(slots=True)
class Heard:
    """What the staff have heard of one message so far."""

    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By staff id: why they are told, once per notification."""
    routed: dict[str, Any] = field(default_factory=dict)
    """The routed message, as the first stream that showed it gave it."""
    last_at: float = 0.0
    """`time.perf_counter()` of the newest notification."""


class StaffRoom:
    """Everybody's ears. `heard[message_id]` fills as the streams speak; `changed` is notified each time."""

    def __init__(self) -> None:
        self.heard: dict[str, Heard] = defaultdict(Heard)
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def listening(self, http: httpx.AsyncClient, tokens: dict[str, str]) -> "AsyncGenerator[StaffRoom]":
        """Open a stream for each staff member; returns once every stream has said where it starts."""
        started = {staff_id: asyncio.Event() for staff_id in tokens}
        async with asyncio.TaskGroup() as streams:
            tasks = [streams.create_task(self._listen(http, who, token, started[who])) for who, token in tokens.items()]
            await asyncio.gather(*(event.wait() for event in started.values()))
            yield self
            for task in tasks:
                task.cancel()

    async def told(self, message_id: str, people: set[str], *, seconds: float) -> Heard:
        """Wait until all of `people` are told of a message, or the time is over; what was heard either way."""
        async with self.changed:
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    self.changed.wait_for(
                        lambda: people <= self.heard[message_id].told.keys() and self.heard[message_id].routed
                    ),
                    seconds,
                )
        return self.heard[message_id]

    async def _listen(self, http: httpx.AsyncClient, staff_id: str, token: str, started: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with aconnect_sse(
            http, "GET", "/v1/stream", headers=headers, timeout=httpx.Timeout(10, read=60)
        ) as stream:
            stream.response.raise_for_status()
            async for event in stream.aiter_sse():
                if event.event == "snapshot":
                    started.set()
                elif event.event in {"message", "notification"}:
                    await self._note(staff_id, event.event, json.loads(event.data))

    async def _note(self, staff_id: str, event: str, content: dict[str, Any]) -> None:
        heard = self.heard[content["message_id"]]
        if event == "message":
            heard.routed = heard.routed or content
        else:
            heard.told[staff_id].append(content["because"])
            heard.last_at = time.perf_counter()
        async with self.changed:
            self.changed.notify_all()
