"""Items that could not be taken, until somebody has mended what was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pm_sync.storage.keyed import Key, execute, fetch, fetchval
from shared_database import columns

if TYPE_CHECKING:
    from shared_database.pools import Pool

MOST_ITEMS = 1_000
"""Of one connection: beyond it new ones are counted, and not kept."""

_KEEP = """
INSERT INTO quarantined (practice_id, connection_id, item_id, reason, sealed, first_at, last_at)
SELECT $1, $2, item_id, reason, sealed, $6, $6 FROM unnest($3::text[], $4::text[], $5::bytea[])
    AS one (item_id, reason, sealed)
WHERE (SELECT count(*) FROM quarantined WHERE practice_id = $1 AND connection_id = $2) < $7
    OR EXISTS (
        SELECT FROM quarantined AS there
        WHERE practice_id = $1 AND connection_id = $2 AND there.item_id = one.item_id
    )
ON CONFLICT (practice_id, connection_id, item_id) DO UPDATE SET reason = excluded.reason, sealed = excluded.sealed,
    last_at = excluded.last_at, times = quarantined.times + 1
"""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One item. `reason` says what is wrong and where, and has no patient data."""

    item_id: str
    reason: str
    first_at: datetime
    last_at: datetime
    times: int
    has_raw: bool
    """Whether it was kept (encrypted), so that it can be tried again."""


@dataclass(frozen=True, slots=True)
class KeptItem:
    """An item with its content, encrypted; None where that was not kept."""

    item_id: str
    sealed: bytes | None
    last_at: datetime


async def keep(pool: "Pool", key: Key, items: Sequence[tuple[str, str, bytes | None]], at: datetime) -> None:
    """Put items (id, reason, sealed content) into quarantine; one that is there is counted again."""
    rows = list({item[0]: item for item in items}.values())
    if rows:
        await execute(pool, key, _KEEP, *columns(rows, 3), at, MOST_ITEMS)


async def quarantine_of(pool: "Pool", key: Key, limit: int) -> list[Quarantined]:
    """What is in quarantine, the newest first."""
    rows = await fetch(
        pool,
        key,
        "SELECT item_id, reason, first_at, last_at, times, sealed IS NOT NULL FROM quarantined "
        "WHERE practice_id = $1 AND connection_id = $2 ORDER BY last_at DESC, item_id LIMIT $3",
        limit,
    )
    return [Quarantined(*row) for row in rows]


async def count_quarantined(pool: "Pool", key: Key) -> int:
    """How many items are in quarantine."""
    sql = "SELECT count(*) FROM quarantined WHERE practice_id = $1 AND connection_id = $2"
    return int(await fetchval(pool, key, sql))


async def kept_item(pool: "Pool", key: Key, item_id: str) -> KeptItem | None:
    """One item with its encrypted content."""
    rows = await fetch(
        pool,
        key,
        "SELECT item_id, sealed, last_at FROM quarantined WHERE practice_id = $1 AND connection_id = $2 AND item_id = $3",
        item_id,
    )
    return KeptItem(*rows[0]) if rows else None


async def release(pool: "Pool", key: Key, item_ids: Sequence[str]) -> None:
    """Take items out: they were taken after all, or somebody has given them up."""
    sql = "DELETE FROM quarantined WHERE practice_id = $1 AND connection_id = $2 AND item_id = ANY ($3::text[])"
    await execute(pool, key, sql, item_ids)
