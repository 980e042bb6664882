"""One run: a source is read, what is new of it goes out, and how it went is noted."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter
from pydantic_core import to_json

from pm_sync.adapters.csv_file import BadFile, CsvFormat, Mistake, read_csv
from pm_sync.adapters.fhir.servers import Servers
from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.configuration import CsvConnection, FhirConnection
from pm_sync.domain.diff import REMEMBERED
from pm_sync.domain.snapshot import Page, Window
from pm_sync.feed import Feed, Parts, Tally
from pm_sync.polling import RemovalsRefused, is_complete_due, preview, read_changes, read_everything, reader_of
from pm_sync.storage.connections import StoredConnection
from pm_sync.storage.keyed import Key
from pm_sync.storage.known import forget_past
from pm_sync.storage.runs import (
    Outcome,
    Reached,
    Run,
    RunKind,
    is_removal_refused,
    note_problem,
    note_refusal,
    note_success,
)

T = TypeVar("T")

PAGE = 1_000
"""Items of a file that are written in one statement."""

RUNS = Counter("switchboard_sync_runs", "Runs, by how they ended.", ["kind", "outcome"])

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818 - a decision
    """A file was not taken; nothing has changed."""

    def __init__(self, problem: str, mistakes: list[Mistake]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mistakes = mistakes


class Runs:
    """Runs, one at a time for each connection."""

    def __init__(self, parts: Parts, servers: Servers) -> None:
        self._parts = parts
        self._servers = servers
        self._turns: dict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take_csv(self, key: Key, connection: CsvConnection, content: bytes, *, dry_run: bool = False) -> Tally:
        """Take in a file as the newest truth, whole or not at all. A dry run only says what would come of it.

        Raises `Refused`, and what the database or Kafka raises; then the same file can be given again.
        """
        async with self._turns[key]:
            feed = Feed(self._parts, key, dry_run=dry_run)
            try:
                await self._take_csv(feed, connection, content)
            except Refused as refused:
                if not dry_run:
                    await note_problem(self._parts.pool, key, self._run(feed, "file", "refused", refused.problem))
                raise
            if not dry_run:
                run = self._run(feed, "file", "succeeded")
                await note_success(self._parts.pool, key, run, Reached(feed.as_of), as_of=feed.as_of, is_noted=True)
                await forget_past(self._parts.pool, key, feed.as_of)
        return feed.tally

    async def poll(self, key: Key, stored: StoredConnection, connection: FhirConnection) -> None:
        """Ask a FHIR server, for everything or for what has changed. Raises `SourceProblem` once that is noted."""
        async with self._turns[key]:
            feed = Feed(self._parts, key)
            is_complete = is_complete_due(stored, connection, feed.as_of)
            kind: RunKind = "full" if is_complete else "changes"
            reader = reader_of(self._servers, key.connection_id, connection, feed.as_of)
            await feed.open()
            try:
                if is_complete:
                    reached = await read_everything(reader, feed, connection)
                else:
                    reached = await read_changes(reader, feed, stored, connection)
            except RemovalsRefused as refused:
                run = self._run(feed, kind, "refused", refused.words)
                await note_refusal(self._parts.pool, key, run, feed.as_of)
                return
            except SourceProblem as problem:
                await note_problem(self._parts.pool, key, self._run(feed, kind, "failed", problem.words))
                raise
            await self._succeeded(key, feed, kind, reached, is_whole=is_complete and reader.lists_places)

    async def take_again(self, key: Key, page: Page) -> None:
        """Take what was in quarantine. Raises what the database or Kafka raises."""
        async with self._turns[key]:
            feed = Feed(self._parts, key)
            await feed.open()
            await feed.take(page)

    async def preview(self, connection: FhirConnection) -> tuple[Tally, bool]:
        """What a new connection would import, and whether that is all of it. Raises `SourceProblem`."""
        feed = Feed(self._parts, Key("", ""), dry_run=True)
        reader = reader_of(self._servers, "", connection, feed.as_of)
        return feed.tally, await preview(reader, feed, connection)

    async def _succeeded(self, key: Key, feed: Feed, kind: RunKind, reached: Reached, *, is_whole: bool) -> None:
        """While removals are refused, changes do not vouch for what was missing."""
        pool = self._parts.pool
        run = self._run(feed, kind, "succeeded")
        if kind == "changes" and await is_removal_refused(pool, key):
            return
        await feed.vouch(complete=is_whole)
        is_noted = kind == "full" or feed.tally.is_news
        await note_success(pool, key, run, reached, as_of=feed.as_of, is_noted=is_noted)
        if kind == "full":
            await forget_past(pool, key, feed.as_of)

    async def _take_csv(self, feed: Feed, connection: CsvConnection, content: bytes) -> None:
        form = CsvFormat(ZoneInfo(connection.time_zone), connection.country, connection.columns, feed.as_of)
        try:
            page = await asyncio.to_thread(read_csv, content, form)
        except BadFile as error:
            problem = "the file has mistakes"
            raise Refused(problem, error.mistakes) from None
        await feed.open()
        window = Window(feed.as_of - REMEMBERED)
        missing = await feed.missing(window, [one.appointment_id for one in page.appointments])
        verdict = await feed.judge(missing, connection.most_removed)
        if verdict is not None:
            problem = (
                f"the file would remove {verdict.removed} of {verdict.upcoming} upcoming appointments: is it cut off?"
            )
            raise Refused(problem, [])
        for part in _in_pages(page):
            await feed.take(part)
        await feed.remove(missing)
        await feed.vouch(complete=True)

    def _run(self, feed: Feed, kind: RunKind, outcome: Outcome, problem: str | None = None) -> Run:
        RUNS.labels(kind, outcome).inc()
        counts = to_json(feed.tally.as_counts()).decode()
        return Run(feed.as_of, self._parts.clock(), kind, outcome, problem, counts)


def _in_pages(page: Page) -> Iterator[Page]:
    """Patients come before their appointments."""
    yield Page(locations=page.locations, providers=page.providers)
    for patients in _parts(page.patients):
        yield Page(patients=patients)
    for appointments in _parts(page.appointments):
        yield Page(appointments)


def _parts(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]
