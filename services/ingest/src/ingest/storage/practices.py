"""Practices and their channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.configuration import CHANNEL, Adapter, Channel, Profile
from ingest.storage.owners import claim, digest, give_up
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool


A_FEW = 20


class Taken(Exception):  # noqa: N818 - a state that was found
    """This slug, channel id or token is another practice's."""


@dataclass(frozen=True, slots=True)
class PlacedChannel:
    """A channel, and the country of its practice's phone numbers."""

    channel: Channel
    country: str


async def save_profile(pool: "Pool", practice_id: str, profile: Profile) -> None:
    """Make or change a practice's profile. Raises `Taken` when its slug is another practice's."""
    async with practice_scope(pool, practice_id) as connection:
        before = await connection.fetchval("SELECT slug FROM profile WHERE practice_id = $1", practice_id)
        if not await claim(connection, "slug", profile.slug, practice_id):
            raise Taken
        if before is not None and before != profile.slug:
            await give_up(connection, "slug", before, practice_id)
        await connection.execute(
            "INSERT INTO profile VALUES ($1, $2, $3, $4) ON CONFLICT (practice_id) "
            "DO UPDATE SET slug = excluded.slug, name = excluded.name, country = excluded.country",
            practice_id,
            profile.slug,
            profile.name,
            profile.country,
        )


async def profile_of(pool: "Pool", practice_id: str) -> Profile | None:
    """A practice's profile; None before it is set up."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow("SELECT slug, name, country FROM profile WHERE practice_id = $1", practice_id)
    return None if row is None else Profile(**dict(row))


async def save_channel(pool: "Pool", practice_id: str, channel_id: str, channel: Channel) -> None:
    """Make or change a channel; of an adapter's token only a digest is kept.

    Raises `Taken` when its id or token is another practice's.
    """
    async with practice_scope(pool, practice_id) as connection:
        if not await claim(connection, "channel", channel_id, practice_id):
            raise Taken
        await _release_token(connection, practice_id, channel_id)
        body = channel.model_dump_json()
        if isinstance(channel, Adapter):
            token = digest(channel.token)
            body = channel.model_copy(update={"token": token}).model_dump_json()
            if not await claim(connection, "adapter", token, practice_id):
                raise Taken
        await connection.execute(
            "INSERT INTO channel VALUES ($1, $2, $3, $4) ON CONFLICT (practice_id, channel_id) "
            "DO UPDATE SET kind = excluded.kind, configuration = excluded.configuration",
            practice_id,
            channel_id,
            channel.kind,
            body,
        )


async def forget_channel(pool: "Pool", practice_id: str, channel_id: str) -> None:
    """Delete a channel: its webhooks are answered 404 from now on."""
    async with practice_scope(pool, practice_id) as connection:
        await _release_token(connection, practice_id, channel_id)
        await give_up(connection, "channel", channel_id, practice_id)
        await connection.execute(
            "DELETE FROM channel WHERE practice_id = $1 AND channel_id = $2", practice_id, channel_id
        )


async def channels_of(pool: "Pool", practice_id: str) -> Mapping[str, Channel]:
    """All channels of a practice, by id."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT channel_id, configuration FROM channel WHERE practice_id = $1 ORDER BY channel_id", practice_id
        )
    return {row["channel_id"]: CHANNEL.validate_json(row["configuration"]) for row in rows}


async def channel_of(pool: "Pool", practice_id: str, channel_id: str) -> PlacedChannel | None:
    """A channel and its practice's country; None when the practice has no such channel."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT configuration, coalesce(country, 'US') AS country FROM channel "
            "LEFT JOIN profile USING (practice_id) WHERE practice_id = $1 AND channel_id = $2",
            practice_id,
            channel_id,
        )
    return None if row is None else PlacedChannel(CHANNEL.validate_json(row["configuration"]), row["country"])


async def practices_that_text(pool: "Pool") -> list[str]:
    """The practices that can text codes to their patients, where there are few; none where there are many."""
    rows = await pool.fetch("SELECT practice_id FROM practice_of WHERE kind = 'slug' LIMIT $1", A_FEW + 1)
    if len(rows) > A_FEW:
        return []
    async with practice_scope(pool, *(row["practice_id"] for row in rows)) as connection:
        found = await connection.fetch("SELECT DISTINCT practice_id FROM channel WHERE kind = 'twilio-sms'")
    return [row["practice_id"] for row in found]


async def begin_call(
    pool: "Pool", practice_id: str, call_id: str, phone: str, extension: str | None, at: datetime
) -> None:
    """Keep who calls, and which extension they chose: the recording's callback tells neither."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO voice_call VALUES ($1, $2, $3, $4, $5) ON CONFLICT (practice_id, call_id) "
            "DO UPDATE SET extension = coalesce(excluded.extension, voice_call.extension)",
            practice_id,
            call_id,
            phone,
            extension,
            at,
        )


async def call_of(pool: "Pool", practice_id: str, call_id: str) -> tuple[str, str | None] | None:
    """The phone and the extension of a call; None for one that never began."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT phone, extension FROM voice_call WHERE practice_id = $1 AND call_id = $2", practice_id, call_id
        )
    return None if row is None else (row["phone"], row["extension"])


async def _release_token(connection: "Connection", practice_id: str, channel_id: str) -> None:
    token = await connection.fetchval(
        "SELECT configuration ->> 'token' FROM channel WHERE practice_id = $1 AND channel_id = $2",
        practice_id,
        channel_id,
    )
    if token is not None:
        await give_up(connection, "adapter", token, practice_id)
