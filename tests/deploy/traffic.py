"""A practice at work while its installation is changed: patients who text, and a member of the staff whose app reconnects by
cursor for ever. At the end the ledger says what was lost, refused, or seen twice."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

import httpx
from httpx_sse import SSEError

from notifier.cursors import Cursor
from tests.e2e.conftest import System
from tests.e2e.test_one_message import new_sid, sms_id

STAFF = "ada-admin"
"""Sees every message of the practice."""
EACH_SECOND = 8
"""Texts. Far below what the installation can do: this is about what is lost, not about speed."""
ATTEMPTS = 60
"""Over about two minutes, as a provider does that keeps what it could not hand over."""
SEEN_SECONDS = 120
"""After the last text: an installation that was hurt may take its time, and what was accepted must come."""
LOGGED = ("message", "conversation", "notification", "action-rejected")
"""Events that are in the practice's log; counts are made for each stream."""


@dataclass
class Traffic:
    """What was sent and what was seen, so far."""

    system: System
    accepted: list[str] = field(default_factory=list)
    """Ids of the messages that were answered 2xx."""
    given_up: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """How each attempt ended that was not answered 2xx."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """(kind, id) of each event of the stream, in its order; the id is the event's cursor."""
    messages: list[str] = field(default_factory=list)
    """Ids of the messages among them."""
    first_cursor: str = ""
    reconnections: int = 0
    resets: int = 0
    _cursor: str | None = None
    _listens: asyncio.Event = field(default_factory=asyncio.Event)

    def lost(self) -> list[str]:
        """What was accepted and never seen."""
        return sorted(set(self.accepted) - set(self.messages))

    def seen_twice(self) -> list[str]:
        return sorted(one for one in set(self.messages) if self.messages.count(one) > 1)

    async def gaps(self) -> list[str]:
        """Where the stream differs from the practice's log, which is read again from the first cursor on."""
        logged: list[tuple[str, str]] = []
        after, last = self.first_cursor, self.seen[-1][1]
        async with self.system.client(self.system.token(STAFF)) as http:
            while last not in {id_ for _, id_ in logged}:
                answer = await http.get("/v1/events", params={"after": after, "limit": 1000})
                page = answer.raise_for_status().json()
                logged += [(row["event"], row["id"]) for row in page["events"] if row["event"] in LOGGED]
                if page["cursor"] == after:
                    return ["the log ends before the stream does"]
                after = page["cursor"]
        logged = logged[: 1 + [id_ for _, id_ in logged].index(last)]
        return [f"the stream has {seen}, the log {kept}" for seen, kept in _pairs(self.seen, logged) if seen != kept]

    async def until_seen(self) -> None:
        """Return once everything that was accepted was seen, or after `SEEN_SECONDS`; `lost` says what was not."""
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                while self.lost():  # noqa: ASYNC110 - it depends on other processes
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return

    def in_words(self) -> str:
        """For people."""
        return (
            f"{len(self.accepted)} texts accepted, {len(self.refused)} attempts refused, {len(self.lost())} lost, "
            f"{len(self.seen)} events seen, {len(self.seen_twice())} messages twice, "
            f"{self.reconnections} reconnections, {self.resets} resets"
        )

    async def _send(self, seconds_between: float, until: asyncio.Event) -> None:
        phones = cycle(patient["phone"] for patient in self.system.told["patients"])
        async with asyncio.TaskGroup() as group:
            while not until.is_set():
                group.create_task(self._text(next(phones)))
                await asyncio.sleep(seconds_between)

    async def _text(self, phone: str) -> None:
        sid = new_sid()
        for attempt in count(1):
            try:
                (answer,) = await self.system.text(phone, sid=sid)
            except httpx.TransportError as error:
                self.refused.append(type(error).__name__)
            else:
                if answer.is_success:
                    self.accepted.append(sms_id(self.system, sid))
                    return
                assert answer.is_server_error, answer.text
                self.refused.append(str(answer.status_code))
            if attempt == ATTEMPTS:
                self.given_up.append(sms_id(self.system, sid))
                return
            await asyncio.sleep(min(2.0, 0.1 * 2**attempt))

    async def _listen(self) -> None:
        while True:
            with suppress(httpx.HTTPError, SSEError):
                await self._read()
            self.reconnections += 1
            await asyncio.sleep(0.5)

    async def _read(self) -> None:
        async with self.system.stream(self.system.token(STAFF), after=self._cursor) as events:
            async for event in events.aiter_sse():
                if Cursor.parse(event.id) is None:
                    continue
                if event.event == "snapshot":
                    self.first_cursor = event.id
                    self._listens.set()
                elif event.event == "reset":
                    self.resets += 1
                elif event.event in LOGGED:
                    self._see(event.event, event.id, json.loads(event.data))
                self._cursor = event.id

    def _see(self, kind: str, id_: str, content: dict[str, Any]) -> None:
        self.seen.append((kind, id_))
        if kind == "message":
            self.messages.append(content["message_id"])


@asynccontextmanager
async def flowing(system: System) -> AsyncGenerator[Traffic]:
    """Traffic for as long as the context lasts, and until what was accepted was seen."""
    traffic, enough = Traffic(system), asyncio.Event()
    listening = asyncio.create_task(traffic._listen())  # noqa: SLF001 - it is this context's
    await asyncio.wait_for(traffic._listens.wait(), SEEN_SECONDS)  # noqa: SLF001
    sending = asyncio.create_task(traffic._send(1 / EACH_SECOND, enough))  # noqa: SLF001
    try:
        yield traffic
        enough.set()
        await sending
        await traffic.until_seen()
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.wait((sending, listening))
        print(traffic.in_words())  # noqa: T201 - shown with -s, and when it fails


def _pairs(seen: list[tuple[str, str]], logged: list[tuple[str, str]]) -> list[tuple[object, object]]:
    longest = max(len(seen), len(logged))
    return [(seen[at : at + 1], logged[at : at + 1]) for at in range(longest)]
