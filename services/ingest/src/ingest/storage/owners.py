"""Which practice something is of, before the practice is known."""

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

Kind = Literal["channel", "slug", "adapter", "login", "session"]


async def practice_of(pool: "Pool", kind: Kind, key: str) -> str | None:
    """The practice that a channel id, a slug, or the digest of a token is of."""
    owner: str | None = await pool.fetchval(
        "SELECT practice_id FROM practice_of WHERE kind = $1 AND key = $2", kind, key
    )
    return owner


async def claim(connection: "Connection", kind: Kind, key: str, practice_id: str) -> bool:
    """Make `key` this practice's; False when it is another's."""
    owner = await connection.fetchval(
        "INSERT INTO practice_of VALUES ($1, $2, $3) "
        "ON CONFLICT (kind, key) DO UPDATE SET practice_id = practice_of.practice_id RETURNING practice_id",
        kind,
        key,
        practice_id,
    )
    return bool(owner == practice_id)


async def give_up(connection: "Connection", kind: Kind, key: str, practice_id: str) -> None:
    """Nobody's any more."""
    await connection.execute(
        "DELETE FROM practice_of WHERE kind = $1 AND key = $2 AND practice_id = $3", kind, key, practice_id
    )


def digest(secret: str) -> str:
    """What we keep of a token: enough to recognise it, not enough to use it."""
    return hashlib.sha256(secret.encode()).hexdigest()
