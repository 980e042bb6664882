"""Which browsers take push messages for whom, and the key that push services know us by."""

from datetime import datetime
from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool

MOST_SUBSCRIPTIONS = 10
"""Of one person: the newest ones."""


async def identity(pool: "Pool", sealed: bytes) -> bytes:
    """The installation's sealed key: this one, if there is none yet."""
    found: bytes = await pool.fetchval(
        "WITH made AS (INSERT INTO push_identity (sealed) VALUES ($1) ON CONFLICT DO NOTHING RETURNING sealed) "
        "SELECT sealed FROM made UNION ALL SELECT sealed FROM push_identity LIMIT 1",
        sealed,
    )
    return found


async def replace_identity(pool: "Pool", sealed: bytes) -> None:
    """Give the installation another key."""
    await pool.execute("UPDATE push_identity SET sealed = $1", sealed)


async def subscriptions_of(pool: "Pool", practice_id: str, staff_id: str) -> dict[str, bytes]:
    """A person's, sealed, by id."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT subscription_id, sealed FROM push_subscription WHERE practice_id = $1 AND staff_id = $2 "
            "ORDER BY created_at, subscription_id",
            practice_id,
            staff_id,
        )
    return {row["subscription_id"]: row["sealed"] for row in rows}


async def save_subscription(
    pool: "Pool", practice_id: str, staff_id: str, subscription_id: str, sealed: bytes, at: datetime
) -> None:
    """Keep a browser's subscription; above `MOST_SUBSCRIPTIONS` the oldest goes."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "INSERT INTO push_subscription VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (practice_id, staff_id, subscription_id) DO UPDATE SET sealed = excluded.sealed",
            practice_id, staff_id, subscription_id, sealed, at,
        )  # fmt: skip
        await connection.execute(
            "DELETE FROM push_subscription WHERE practice_id = $1 AND staff_id = $2 AND subscription_id NOT IN ("
            "SELECT subscription_id FROM push_subscription WHERE practice_id = $1 AND staff_id = $2 "
            "ORDER BY created_at DESC, subscription_id LIMIT $3)",
            practice_id, staff_id, MOST_SUBSCRIPTIONS,
        )  # fmt: skip


async def remove_subscription(pool: "Pool", practice_id: str, staff_id: str, subscription_id: str) -> bool:
    """Forget a browser; False when there was none of this id."""
    async with practice_scope(pool, practice_id) as connection:
        done = await connection.execute(
            "DELETE FROM push_subscription WHERE practice_id = $1 AND staff_id = $2 AND subscription_id = $3",
            practice_id, staff_id, subscription_id,
        )  # fmt: skip
    return done == "DELETE 1"
