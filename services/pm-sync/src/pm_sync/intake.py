"""Messages on their way in: what waits of one connection is written together, and each sender hears when it is kept."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from pm_sync.domain.snapshot import Page
from pm_sync.feed import Feed, Parts
from pm_sync.storage.keyed import Key
from pm_sync.storage.runs import Reached, Run, note_success
from shared_messaging import Conflict, Fenced

MOST_AT_ONCE = 500
_QUIET_SECONDS = 60.0
"""After which a connection's worker ends."""
_NOTED_EVERY = timedelta(seconds=5)


@dataclass(slots=True)
class _Lane:
    waiting: list[tuple[Page, "asyncio.Future[None]"]] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Intake:
    """Takes pages of many connections at once, in order within each."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lanes: dict[Key, _Lane] = {}

    async def take(self, key: Key, page: Page) -> None:
        """Return when everything of it is durable. Raises what the database or Kafka raises: then send it again."""
        lane = self._lanes.setdefault(key, _Lane())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append((page, done))
        lane.wake.set()
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._work(key, lane), name=f"intake {key.connection_id}")
        await done

    async def stop(self) -> None:
        """End all workers; what waits is refused."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for lane in self._lanes.values():
            for _, done in lane.waiting:
                done.cancel()

    async def _work(self, key: Key, lane: _Lane) -> None:
        feed: Feed | None = None
        noted_at = self._parts.clock() - _NOTED_EVERY
        while await _is_woken(lane):
            batch, lane.waiting = lane.waiting[:MOST_AT_ONCE], lane.waiting[MOST_AT_ONCE:]
            if lane.waiting:
                lane.wake.set()
            try:
                feed = await self._written(key, feed, _merged([page for page, _ in batch]))
                if feed.as_of - noted_at >= _NOTED_EVERY:
                    noted_at = feed.as_of
                    await self._note(key, feed)
            except BaseException as error:
                feed = None
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
                if not isinstance(error, Exception):
                    raise
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _written(self, key: Key, feed: Feed | None, page: Page) -> Feed:
        """Written by the feed that is open; by a new one where another process was in between."""
        if feed is not None:
            feed.as_of = self._parts.clock()
            try:
                await feed.take(page)
            except (Fenced, Conflict):
                pass
            else:
                return feed
        feed = Feed(self._parts, key)
        await feed.open()
        await feed.take(page)
        return feed

    async def _note(self, key: Key, feed: Feed) -> None:
        """A message is a sign that everything before it has come: it vouches for all of it."""
        await feed.vouch(complete=False)
        run = Run(feed.as_of, self._parts.clock(), "messages", "succeeded", None, "{}")
        await note_success(self._parts.pool, key, run, Reached(feed.as_of), as_of=feed.as_of, is_noted=False)


async def _is_woken(lane: _Lane) -> bool:
    """False when nothing came for a while."""
    try:
        async with asyncio.timeout(_QUIET_SECONDS):
            await lane.wake.wait()
    except TimeoutError:
        return bool(lane.waiting)
    lane.wake.clear()
    return True


def _merged(pages: list[Page]) -> Page:
    locations: dict[str, str] = {}
    providers: dict[str, str] = {}
    for page in pages:
        locations |= page.locations
        providers |= page.providers
    return Page(
        tuple(one for page in pages for one in page.appointments),
        tuple(one for page in pages for one in page.patients),
        locations,
        providers,
        tuple(one for page in pages for one in page.unreadable),
    )
