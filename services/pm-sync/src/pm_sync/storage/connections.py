"""Connections to practice-management systems."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool, Row


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A connection's configuration as JSON, and how it goes."""

    connection_id: str
    configuration: str
    last_success_at: datetime | None
    last_run_at: datetime | None
    last_problem: str | None


_COLUMNS = "connection_id, configuration, last_success_at, last_run_at, last_problem"


async def save_connection(pool: "Pool", practice_id: str, connection_id: str, configuration: str) -> bool:
    """Make or change a connection; False when the id is another practice's."""
    async with practice_scope(pool, practice_id) as connection:
        owner = await connection.fetchval(
            "INSERT INTO connection_owner VALUES ($1, $2) ON CONFLICT (connection_id) "
            "DO UPDATE SET practice_id = connection_owner.practice_id RETURNING practice_id",
            connection_id,
            practice_id,
        )
        if owner != practice_id:
            return False
        await connection.execute(
            "INSERT INTO connection (practice_id, connection_id, configuration) VALUES ($1, $2, $3) "
            "ON CONFLICT (practice_id, connection_id) DO UPDATE SET configuration = excluded.configuration",
            practice_id,
            connection_id,
            configuration,
        )
    return True


async def connections_of(pool: "Pool", practice_id: str) -> list[StoredConnection]:
    """All connections of a practice, by id."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM connection WHERE practice_id = $1 ORDER BY connection_id",
            practice_id,
        )
    return [_connection(row) for row in rows]


async def connection_of(pool: "Pool", practice_id: str, connection_id: str) -> StoredConnection | None:
    """One connection; None when the practice has no such."""
    found = [one for one in await connections_of(pool, practice_id) if one.connection_id == connection_id]
    return found[0] if found else None


async def owner_of(pool: "Pool", connection_id: str) -> str | None:
    """The practice that a connection is of."""
    owner: str | None = await pool.fetchval(
        "SELECT practice_id FROM connection_owner WHERE connection_id = $1", connection_id
    )
    return owner


async def forget_connection(pool: "Pool", practice_id: str, connection_id: str) -> None:
    """Delete a connection and what we know by it. Its appointments stay where they were sent."""
    async with practice_scope(pool, practice_id) as connection:
        for table in ("known_appointment", "known_patient", "connection", "connection_owner"):
            await connection.execute(
                f"DELETE FROM {table} WHERE practice_id = $1 AND connection_id = $2",
                practice_id,
                connection_id,
            )


async def note_problem(pool: "Pool", practice_id: str, connection_id: str, problem: str, at: datetime) -> None:
    """A run did not succeed; `problem` has no patient data."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "UPDATE connection SET last_problem = $3, last_run_at = $4 WHERE practice_id = $1 AND connection_id = $2",
            practice_id,
            connection_id,
            problem,
            at,
        )


def _connection(row: "Row") -> StoredConnection:
    return StoredConnection(*row)
