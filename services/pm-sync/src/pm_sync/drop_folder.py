"""The drop folder: `<folder>/<connection id>/<name>.csv` is taken in as soon as it lies there whole.

Write a file under another name and rename it: a rename is one step. A taken file moves to `done/`, a refused one to
`failed/` with its mistakes beside it as JSON.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic_core import to_json
from watchfiles import awatch

from pm_sync.configuration import CONNECTION, CsvConnection
from pm_sync.runs import Refused, Runs
from pm_sync.storage.connections import connection_of, owner_of
from pm_sync.storage.keyed import Key
from shared_messaging import PublishFailed

if TYPE_CHECKING:
    from shared_database.pools import Pool

_SETTLE_SECONDS = 1.0
_RETRY_MILLISECONDS = 10_000

log = structlog.get_logger()


class DropFolder:
    """Watches one folder for all connections."""

    def __init__(self, folder: Path, runs: Runs, pool: "Pool") -> None:
        self._folder = folder
        self._runs = runs
        self._pool = pool

    async def watch(self) -> None:
        """Until cancelled: what lies there now, then what comes. What could not be sent is tried again."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        await self._take_all()
        async for _ in awatch(self._folder, rust_timeout=_RETRY_MILLISECONDS, yield_on_timeout=True):
            await self._take_all()

    async def _take_all(self) -> None:
        for path in await asyncio.to_thread(lambda: sorted(self._folder.glob("*/*.csv"))):
            try:
                await self._take(path)
            except (PublishFailed, OSError) as error:
                log.warning("a dropped file waits", connection_id=path.parent.name, error=type(error).__name__)

    async def _take(self, path: Path) -> None:
        connection_id = path.parent.name
        practice_id = await owner_of(self._pool, connection_id)
        stored = practice_id and await connection_of(self._pool, practice_id, connection_id)
        if not practice_id or not stored or not await _is_whole(path):
            return
        content = await asyncio.to_thread(path.read_bytes)
        connection = CONNECTION.validate_json(stored.configuration)
        if not isinstance(connection, CsvConnection):
            return
        try:
            await self._runs.take_csv(Key(practice_id, connection_id), connection, content)
        except Refused as refused:
            report = to_json({"problem": refused.problem, "errors": refused.mistakes}, indent=2)
            await asyncio.to_thread(_put_away, path, "failed", report)
        else:
            await asyncio.to_thread(_put_away, path, "done", None)


async def _is_whole(path: Path) -> bool:
    """Whether it has stopped growing."""
    before = (await asyncio.to_thread(path.stat)).st_size
    await asyncio.sleep(_SETTLE_SECONDS)
    return (await asyncio.to_thread(path.stat)).st_size == before


def _put_away(path: Path, where: str, report: bytes | None) -> None:
    folder = path.parent / where
    folder.mkdir(exist_ok=True)
    stamp = datetime.fromtimestamp(path.stat().st_mtime).astimezone().strftime("%Y%m%dT%H%M%S")
    target = folder / f"{stamp}-{path.name}"
    path.replace(target)
    if report is not None:
        target.with_suffix(".errors.json").write_bytes(report)
