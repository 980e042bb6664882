"""The messenger's live updates (server-sent events): the whole state again after each change of it.

The state is complete, so nothing can be missed: a browser that comes back gets it once, unless it has it already. All
streams of this process share one question to PostgreSQL, twice a second.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Gauge
from pydantic_core import to_json

from ingest.storage.logins import Session, versions_of
from shared_database import DATABASE_FAILURES

if TYPE_CHECKING:
    from shared_database.pools import Pool

log = structlog.get_logger()

_LOOK_SECONDS = 0.5
_HEARTBEAT_SECONDS = 15.0
_RETRY = b"retry: 2000\n"

STREAMS = Gauge("switchboard_messenger_streams", "Live messengers that are open.")

State = Mapping[str, Any]


class Live:
    """All live messengers of this process. `run` must be running."""

    def __init__(self, pool: "Pool", clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._open: dict[str, tuple[str, int]] = {}
        """By the digest of a session: its practice, and how many streams it has."""
        self._versions: dict[str, int | None] = {}
        """Of the conversation of each session that was asked for; None where it has ended."""
        self._is_draining = False
        self._looked = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._open:
                await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    def drain(self) -> None:
        """End all streams: their browsers come back to another process."""
        self._is_draining = True

    async def stream(
        self, session: Session, last_event_id: str | None, read_state: Callable[[], Awaitable[State]]
    ) -> AsyncGenerator[bytes]:
        """The bytes of one stream. It ends with its session."""
        seen = last_event_id or ""
        yield _RETRY
        async with self._opened(session):
            state = await read_state()
            while True:
                version = str(state["version"])
                if version != seen:
                    yield b"id: %s\nevent: state\ndata: %s\n\n" % (version.encode(), to_json(state))
                    seen = version
                while (changed := await self._changed(session, seen)) is None:
                    yield b": still here\n"
                if not changed:
                    return
                state = await read_state()

    async def _changed(self, session: Session, seen: str) -> bool | None:
        """Wait for another version: True. False: the session has ended, or we stop. None: nothing for a while."""

        def is_other() -> bool:
            known = self._versions
            return self._is_draining or (session.digest in known and str(known[session.digest]) != seen)

        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS), self._looked:
                await self._looked.wait()  # what was found before may be older than what was read since
                await self._looked.wait_for(is_other)
        except TimeoutError:
            return None
        return not self._is_draining and self._versions.get(session.digest) is not None

    async def _look(self) -> None:
        asked = {(practice, digest) for digest, (practice, _) in self._open.items()}
        if not self._is_draining:
            try:
                found = await versions_of(self._pool, asked, self._clock())
            except DATABASE_FAILURES as error:
                log.info("live messengers wait for the database", error=type(error).__name__)
                return
            self._versions = {digest: found.get(digest) for _, digest in asked}
        async with self._looked:
            self._looked.notify_all()

    @asynccontextmanager
    async def _opened(self, session: Session) -> AsyncGenerator[None]:
        practice, streams = self._open.get(session.digest, (session.practice_id, 0))
        self._open[session.digest] = (practice, streams + 1)
        STREAMS.inc()
        try:
            yield
        finally:
            STREAMS.dec()
            practice, streams = self._open[session.digest]
            self._open[session.digest] = (practice, streams - 1)
            if streams == 1:
                del self._open[session.digest]
