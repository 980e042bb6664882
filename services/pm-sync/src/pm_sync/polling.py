"""Asking a FHIR server: all of it now and then, what has changed in between."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pm_sync.adapters.fhir.reading import Reader
from pm_sync.adapters.fhir.resources import FhirForm
from pm_sync.adapters.fhir.servers import Servers
from pm_sync.adapters.fhir.vendors import vendor
from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.configuration import FhirConnection
from pm_sync.domain.diff import TooManyRemoved
from pm_sync.domain.snapshot import Page, Window
from pm_sync.feed import Feed, Tally
from pm_sync.storage.connections import StoredConnection
from pm_sync.storage.runs import Reached

MOST_ASKED_AGAIN = 200
"""Missing appointments that are asked for one by one in a run; the others wait for the next complete reading."""
PREVIEWED = 2_000
PREVIEW_SECONDS = 20.0
_RECENT = timedelta(hours=12)
"""A complete reading begins so long ago: what has just begun is still shown as such."""


class RemovalsRefused(Exception):  # noqa: N818 - a decision
    """Everything was read and taken, but what was missing is not believed to be gone."""

    def __init__(self, verdict: TooManyRemoved) -> None:
        super().__init__()
        self.words = (
            f"{verdict.removed} of {verdict.upcoming} upcoming appointments were missing: none was removed. "
            "If that is right, raise most_removed"
        )


def is_complete_due(stored: StoredConnection, connection: FhirConnection, now: datetime) -> bool:
    """Whether everything is to be read, not only what has changed."""
    return stored.complete_at is None or stored.read_until is None or now - stored.complete_at >= connection.reread


def reader_of(servers: Servers, connection_id: str, connection: FhirConnection, as_of: datetime) -> Reader:
    """A reading as of now."""
    form = FhirForm(vendor(connection.vendor), ZoneInfo(connection.time_zone), connection.country, as_of)
    return Reader(servers.client(connection_id, connection), form, connection.locations)


async def read_changes(reader: Reader, feed: Feed, stored: StoredConnection, connection: FhirConnection) -> Reached:
    """Take what has changed since the last reading."""
    reader.ignored.update(stored.ignored_parameters)
    since = stored.read_until or feed.as_of
    async with ahead(reader.changes(since, window_of(connection, feed.as_of))) as pages:
        async for page in pages:
            await feed.take(page)
    return _reached(reader, feed)


async def read_everything(reader: Reader, feed: Feed, connection: FhirConnection) -> Reached:
    """Take everything, and say what is gone once the server has confirmed it.

    Raises `SourceProblem` when something was not readable, `RemovalsRefused` when too much is missing: then nothing is
    removed, and what was read is taken all the same.
    """
    window = window_of(connection, feed.as_of)
    async with ahead(reader.everything(window)) as pages:
        async for page in pages:
            await feed.take(page)
    if not reader.is_complete:
        raise SourceProblem("the server's answers have gaps: nothing was removed")
    missing = await feed.missing(window)
    verdict = await feed.judge(missing, connection.most_removed)
    if verdict is not None:
        raise RemovalsRefused(verdict)
    gone = []
    for appointment in missing[:MOST_ASKED_AGAIN]:
        found = await reader.again(appointment)
        if found is None:
            gone.append(appointment)
        else:
            await feed.take(found)
    await feed.remove(gone)
    return _reached(reader, feed, complete_at=feed.as_of)


async def preview(reader: Reader, feed: Feed, connection: FhirConnection) -> bool:
    """Count what a connection would import; False when it stopped before the end, to answer in time."""
    try:
        async with (
            asyncio.timeout(PREVIEW_SECONDS),
            ahead(reader.everything(window_of(connection, feed.as_of))) as pages,
        ):
            async for page in pages:
                await feed.take(page)
                if feed.tally.new_appointments >= PREVIEWED:
                    return False
    except TimeoutError:
        return False
    return True


def window_of(connection: FhirConnection, now: datetime) -> Window:
    """What is read of a connection."""
    return Window(now - _RECENT, now + connection.window)


@asynccontextmanager
async def ahead(pages: AsyncGenerator[Page]) -> AsyncGenerator[AsyncIterator[Page]]:
    """The same pages, each read from the server while the one before is written."""
    queue: asyncio.Queue[Page | None] = asyncio.Queue(maxsize=1)

    async def read() -> None:
        try:
            async for page in pages:
                await queue.put(page)
        finally:
            await queue.put(None)

    async def given() -> AsyncGenerator[Page]:
        while (page := await queue.get()) is not None:
            yield page
        await reading

    reading = asyncio.create_task(read())
    try:
        yield given()
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        await pages.aclose()


def _reached(reader: Reader, feed: Feed, *, complete_at: datetime | None = None) -> Reached:
    tally: Tally = feed.tally
    lag = None
    if reader.newest is not None and (tally.new_appointments or tally.changed_appointments):
        lag = max(0.0, (feed.as_of - reader.newest).total_seconds())
    return Reached(complete_at, feed.as_of, lag, tuple(sorted(reader.ignored)))
