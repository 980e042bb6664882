"""Clients of the staff stream, as apps are written: they reconnect by cursor for ever, and note what they see."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import httpx
from httpx_sse import ServerSentEvent, SSEError, aconnect_sse

from notifier.cursors import Cursor
from tests.faults.history import History
from tests.faults.parts import Parts, plain_http
from tests.faults.practices import StaffedPractice
from tests.oracle.happenings import STAFF

ABOUT = {
    "message": "message_id",
    "notification": "message_id",
    "conversation": "change_id",
    "action-rejected": "change_id",
    "settings": "version",
}
"""What each event is about."""
SILENCE = 20.0
"""Heartbeats come more often: after this, a connection is dead."""
STAYS = (5.0, 25.0)
"""Seconds after which a client reconnects all by itself, as laptops and phones do."""


@dataclass
class Client:
    """One person's app."""

    parts: Parts
    practice: StaffedPractice
    staff: str
    history: History
    random: Random
    cursor: str | None = None
    settings_seen: int = 0
    resets: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.practice.id}/{self.staff}"

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self.random.uniform(*STAYS)):
                    await self._connect()
            except (httpx.HTTPError, SSEError, TimeoutError):
                pass
            await asyncio.sleep(self.random.uniform(0.05, 1))

    async def _connect(self) -> None:
        server = self.random.choice(self.parts.instances("notifier"))
        headers = self.practice.headers(self.staff) | ({"Last-Event-ID": self.cursor} if self.cursor else {})
        async with (
            plain_http(timeout=httpx.Timeout(5, read=SILENCE)) as http,
            aconnect_sse(http, "GET", f"{server.url}/v1/stream", headers=headers) as events,
        ):
            events.response.raise_for_status()
            async for event in events.aiter_sse():
                self._take(event)

    def _take(self, event: ServerSentEvent) -> None:
        place = Cursor.parse(event.id)
        if place is None or not event.data:
            return
        about = {"practice": self.practice.id, "staff": self.staff, "position": place.offset}
        if event.event == "snapshot":
            self.history.note("ok", "listen", self.name, **about | {"position": place.offset + 1})
        elif event.event == "reset":
            self.resets.append(json.loads(event.data)["reason"])
            self.history.note("ok", "reset", self.name, **about | {"position": place.offset + 1})
        elif event.event in ABOUT:
            content = json.loads(event.data)
            id_, of = str(content[ABOUT[event.event]]), content.get("practice_id", self.practice.id)
            self.history.note("ok", "see", self.name, event=event.event, id=id_, of=of, **about)
            if event.event == "settings":
                self.settings_seen = max(self.settings_seen, content["version"])
        self.cursor = event.id


@asynccontextmanager
async def listening(
    parts: Parts, practices: Sequence[StaffedPractice], history: History, random: Random
) -> AsyncGenerator[list[Client]]:
    """Everybody's clients, from the moment on at which all of them have their first cursor."""
    clients = [Client(parts, practice, staff, history, random) for practice in practices for staff in STAFF]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.listen(), name=client.name) for client in clients]
        yield clients
        for task in tasks:
            task.cancel()
