"""Who is on a practice's staff, and its inboxes: from its routing settings, read again only when they have changed."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from notifier.domain.visibility import Member, Practice
from shared_database import columns, practice_scope
from shared_messaging import Batch, Outgoing
from shared_schemas.practice_management import DirectorySyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

_SAVE_SETTINGS = """
kept AS (
    INSERT INTO practice SELECT * FROM unnest($1::text[], $2::int[], $3::jsonb[])
    ON CONFLICT (practice_id) DO UPDATE SET settings_version = excluded.settings_version, settings = excluded.settings
    WHERE practice.settings_version < excluded.settings_version
    RETURNING 1
)"""

_SAVE_DIRECTORY = """
kept AS (
    INSERT INTO directory SELECT * FROM unnest($1::text[], $2::jsonb[], $3::timestamptz[])
    ON CONFLICT (practice_id) DO UPDATE SET directory = excluded.directory, as_of = excluded.as_of
    WHERE directory.as_of < excluded.as_of
    RETURNING 1
)"""

MOST_KEPT = 2_000
"""Practices in memory. A large one's settings take milliseconds to read, and every batch asks for them."""


class Practices:
    """The practices that were asked for, each as of its newest settings."""

    def __init__(self) -> None:
        self._kept: dict[str, Practice] = {}
        self._looks: dict[str, asyncio.Task[Practice | None]] = {}
        """That have not begun: whoever asks until then is answered by them, too."""

    async def of(self, connection: "Connection", practice_ids: Collection[str]) -> dict[str, Practice]:
        """These practices as they are now; those whose settings we do not have are left out."""
        rows = await connection.fetch(
            "SELECT practice_id, settings_version FROM practice WHERE practice_id = ANY ($1::text[])",
            list(practice_ids),
        )
        return await self.of_versions(connection, {row["practice_id"]: row["settings_version"] for row in rows})

    async def of_versions(self, connection: "Connection", versions: Mapping[str, int]) -> dict[str, Practice]:
        """These practices, `versions` being those of their settings now."""
        found = {
            id_: one
            for id_, version in versions.items()
            if (one := self._kept.get(id_)) is not None and one.version == version
        }
        stale = [id_ for id_ in versions if id_ not in found]
        if stale:
            found |= {id_: practice_from(one) for id_, one in (await settings_of(connection, stale)).items()}
            if len(self._kept) > MOST_KEPT:
                self._kept.clear()
            self._kept |= found
        return found

    async def one(self, pool: "Pool", practice_id: str) -> Practice | None:
        """One practice as it is now; None while we have no settings of it.

        A thousand who come back at once are answered by a few looks at the database, each begun after they asked.
        """
        look = self._looks.get(practice_id)
        if look is None:
            look = self._looks[practice_id] = asyncio.create_task(self._look(pool, practice_id))
        return await asyncio.shield(look)

    async def _look(self, pool: "Pool", practice_id: str) -> Practice | None:
        try:
            async with practice_scope(pool, practice_id) as connection:
                self._begin(practice_id)
                return (await self.of(connection, [practice_id])).get(practice_id)
        finally:
            self._begin(practice_id)

    def _begin(self, practice_id: str) -> None:
        if self._looks.get(practice_id) is asyncio.current_task():
            del self._looks[practice_id]


async def settings_of(connection: "Connection", practice_ids: Collection[str]) -> dict[str, RoutingSettingsPublishedV1]:
    """The newest settings that we have of these practices."""
    rows = await connection.fetch(
        "SELECT practice_id, settings FROM practice WHERE practice_id = ANY ($1::text[])", list(practice_ids)
    )
    return {row["practice_id"]: RoutingSettingsPublishedV1.model_validate_json(row["settings"]) for row in rows}


async def directory_of(connection: "Connection", practice_id: str) -> DirectorySyncedV1 | None:
    """The practice's locations and providers; None while we have heard of none."""
    found = await connection.fetchval("SELECT directory FROM directory WHERE practice_id = $1", practice_id)
    return DirectorySyncedV1.model_validate_json(found) if found is not None else None


async def save_settings(
    batch: Batch, settings: Sequence[RoutingSettingsPublishedV1], publish: Sequence[Outgoing]
) -> None:
    """Keep the newest settings of each practice."""
    newest = {one.practice_id: one for one in sorted(settings, key=lambda one: one.version)}
    rows = [(practice, one.version, one.model_dump_json()) for practice, one in sorted(newest.items())]
    await batch.write(_SAVE_SETTINGS, *columns(rows, 3), publish=publish)


async def save_directories(batch: Batch, directories: Sequence[DirectorySyncedV1]) -> None:
    """Keep the newest directory of each practice."""
    newest = {one.practice_id: one for one in sorted(directories, key=lambda one: one.as_of)}
    rows = [(practice, one.model_dump_json(), one.as_of) for practice, one in sorted(newest.items())]
    await batch.write(_SAVE_DIRECTORY, *columns(rows, 3))


def practice_from(settings: RoutingSettingsPublishedV1) -> Practice:
    """The part of the settings that says who sees what."""
    return Practice(
        settings.version,
        tuple(
            Member(one.staff_id, one.active, one.role == "administrator", one.unassigned, one.name, one.subscriptions)
            for one in settings.members
        ),
        {inbox.id: inbox.members for inbox in settings.shared_inboxes},
        {inbox.id: inbox.label for inbox in settings.shared_inboxes},
        settings.default_subscribers,
    )
