"""Practices, and the calls that they get."""

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import from_json

from ingest.configuration import Profile
from ingest.storage.owners import claim, give_up
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool


A_FEW = 20


class Taken(Exception):  # noqa: N818 - a state that was found
    """This slug, channel id or token is another practice's."""


async def save_profile(pool: "Pool", practice_id: str, profile: Profile) -> None:
    """Make or change a practice's profile. Raises `Taken` when its slug is another practice's."""
    async with practice_scope(pool, practice_id) as connection:
        before = await connection.fetchval("SELECT slug FROM profile WHERE practice_id = $1", practice_id)
        if not await claim(connection, "slug", profile.slug, practice_id):
            raise Taken
        if before is not None and before != profile.slug:
            await give_up(connection, "slug", before, practice_id)
        await connection.execute(
            "INSERT INTO profile "
            "(practice_id, slug, name, country, help_text, emergency_words, emergency_text, messenger) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (practice_id) DO UPDATE SET slug = excluded.slug, "
            "name = excluded.name, country = excluded.country, help_text = excluded.help_text, "
            "emergency_words = excluded.emergency_words, emergency_text = excluded.emergency_text, "
            "messenger = excluded.messenger",
            practice_id, profile.slug, profile.name, profile.country, profile.help_text,
            list(profile.emergency_words), profile.emergency_text, profile.messenger.model_dump_json(),
        )  # fmt: skip


async def profile_of(pool: "Pool", practice_id: str) -> Profile | None:
    """A practice's profile; None before it is set up."""
    async with practice_scope(pool, practice_id) as connection:
        return read_profile(
            await connection.fetchval("SELECT to_jsonb(profile) FROM profile WHERE practice_id = $1", practice_id)
        )


def read_profile(row: str | None) -> Profile | None:
    """What nobody set has its default; columns of a newer version are nothing to us."""
    if row is None:
        return None
    known = {name: value for name, value in from_json(row).items() if value is not None}
    return Profile.model_validate({name: known[name] for name in Profile.model_fields.keys() & known})


async def practices_that_text(pool: "Pool") -> list[str]:
    """The practices that can text codes to their patients, where there are few; none where there are many."""
    rows = await pool.fetch("SELECT practice_id FROM practice_of WHERE kind = 'slug' LIMIT $1", A_FEW + 1)
    if len(rows) > A_FEW:
        return []
    async with practice_scope(pool, *(row["practice_id"] for row in rows)) as connection:
        found = await connection.fetch("SELECT DISTINCT practice_id FROM channel WHERE kind LIKE '%-sms'")
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
