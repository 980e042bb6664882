"""Routing settings: every version of them, and which is current."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared_database import practice_scope
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_database.pools import Pool


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One version, and who saved it when."""

    version: int
    saved_at: datetime
    saved_by: str
    reverts: int | None
    """The version that it brought back."""


async def current_settings(pool: "Pool", practice_id: str) -> RoutingSettingsPublishedV1 | None:
    """The current settings of a practice; None when it has none yet."""
    async with practice_scope(pool, practice_id) as connection:
        body = await connection.fetchval(
            "SELECT body FROM routing_settings WHERE practice_id = $1 AND is_current", practice_id
        )
    return None if body is None else RoutingSettingsPublishedV1.model_validate_json(body)


async def settings_of_version(pool: "Pool", practice_id: str, version: int) -> RoutingSettingsPublishedV1 | None:
    """One version; None when there is no such."""
    async with practice_scope(pool, practice_id) as connection:
        body = await connection.fetchval(
            "SELECT body FROM routing_settings WHERE practice_id = $1 AND version = $2", practice_id, version
        )
    return None if body is None else RoutingSettingsPublishedV1.model_validate_json(body)


async def versions_of(pool: "Pool", practice_id: str) -> list[SettingsVersion]:
    """All versions, the newest first."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT version, saved_at, saved_by, reverts FROM routing_settings WHERE practice_id = $1 ORDER BY version DESC",
            practice_id,
        )
    return [SettingsVersion(*row) for row in rows]


async def save_settings(
    pool: "Pool",
    settings: RoutingSettingsPublishedV1,
    *,
    over: int,
    saved_by: str,
    saved_at: datetime,
    reverts: int | None = None,
) -> bool:
    """Save `settings` as the current version over version `over` (0: the first); False when `over` is not current."""
    practice_id = settings.practice_id
    async with practice_scope(pool, practice_id) as connection:
        # One saver at a time for each practice, the first version included.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", practice_id)
        current = await connection.fetchval(
            "SELECT version FROM routing_settings WHERE practice_id = $1 AND is_current", practice_id
        )
        if (current or 0) != over:
            return False
        await connection.execute(
            "UPDATE routing_settings SET is_current = false WHERE practice_id = $1 AND is_current", practice_id
        )
        await connection.execute(
            "INSERT INTO routing_settings VALUES ($1, $2, $3, $4, $5, true, $6)",
            practice_id,
            settings.version,
            settings.model_dump_json(),
            saved_at,
            saved_by,
            reverts,
        )
        await connection.execute("INSERT INTO unfinished_settings VALUES ($1, $2)", practice_id, settings.version)
    return True


async def unfinished_settings(pool: "Pool", published_before: datetime) -> list[tuple[str, int, bool]]:
    """Practice and version of what Kafka does not have yet, and (with True) of what it has had since that instant and
    has to be looked at a second time; older versions first.
    """
    return [
        (row["practice_id"], row["version"], row["published_at"] is not None)
        for row in await pool.fetch(
            "SELECT practice_id, version, published_at FROM unfinished_settings "
            "WHERE published_at IS NULL OR published_at < $1 ORDER BY practice_id, version",
            published_before,
        )
    ]


async def mark_published(pool: "Pool", practice_id: str, version: int, at: datetime) -> None:
    """Kafka has this version."""
    await pool.execute(
        "UPDATE unfinished_settings SET published_at = $3 WHERE practice_id = $1 AND version = $2",
        practice_id, version, at,
    )  # fmt: skip


async def forget_unfinished(pool: "Pool", practice_id: str, version: int, at: datetime) -> None:
    """Nothing more has to be done about this version: it was published before `at`."""
    await pool.execute(
        "DELETE FROM unfinished_settings WHERE practice_id = $1 AND version = $2 AND published_at < $3",
        practice_id, version, at,
    )  # fmt: skip
