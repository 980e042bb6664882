"""Sends saved routing settings to `practice-settings`, and asks for what they change to be matched again.

Each version at least once, in order, whatever happens between.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from router.rerouting import reroute_requests
from router.storage.settings import (
    forget_unfinished,
    mark_published,
    settings_of_version,
    unfinished_settings,
)
from shared_database import DATABASE_FAILURES
from shared_messaging import Outgoing, Publisher, PublishFailed
from shared_schemas import topics

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/router"
_RETRY_SECONDS = 5.0
_LONGEST_BATCH = timedelta(minutes=1)
"""Conversations are looked through a second time after this: a batch that was being decided by the settings before
may have been written after the first time."""

log = structlog.get_logger()


class SettingsPublisher:
    """Publishes what is saved and not yet published. `wake` after saving; it also looks by itself every few seconds."""

    def __init__(self, pool: "Pool", publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._publisher = publisher
        self._clock = clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to publish."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._publish_all()
            except (PublishFailed, *DATABASE_FAILURES) as error:
                log.warning("settings are not published yet", error=type(error).__name__)
            try:
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _publish_all(self) -> None:
        for practice_id, version, is_published in await unfinished_settings(self._pool, self._clock() - _LONGEST_BATCH):
            settings = await settings_of_version(self._pool, practice_id, version)
            if settings is not None and not is_published:
                event = Outgoing.of(topics.PRACTICE_SETTINGS.name, settings, source=SOURCE, time=self._clock())
                await self._publisher.send([event])
            if settings is not None:
                async for requests in reroute_requests(self._pool, settings, self._clock()):
                    await self._publisher.send(requests)
            await (forget_unfinished if is_published else mark_published)(
                self._pool, practice_id, version, self._clock()
            )
