"""Connections to practice-management systems, and how they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from pm_sync.configuration import Connection, Hl7Connection, without_secrets
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
    sealed: bytes | None = None
    """Its secret, encrypted."""
    complete_at: datetime | None = None
    """When it was last read from end to end."""
    read_until: datetime | None = None
    """Changes up to here are read."""
    newest_data_at: datetime | None = None
    """When the newest thing that was news was said by the source."""
    lag_seconds: float | None = None
    """How long the last news took from the source's own time stamp to us."""
    ignored_parameters: Sequence[str] = ()
    """Search parameters that the server takes no notice of."""


class SenderTaken(Exception):  # noqa: N818 - it says what it is
    """Another connection takes the messages of this sender."""


_COLUMNS = (
    "connection_id, configuration, last_success_at, last_run_at, last_problem, sealed, complete_at, read_until, "
    "newest_data_at, lag_seconds, ignored_parameters"
)

_OWN = """
INSERT INTO connection_owner (connection_id, practice_id, kind, due_at, sending_application, sending_facility)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (connection_id) DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at, failures = 0,
    sending_application = excluded.sending_application, sending_facility = excluded.sending_facility
WHERE connection_owner.practice_id = excluded.practice_id
RETURNING practice_id
"""

_SAVE = """
INSERT INTO connection (practice_id, connection_id, configuration, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (practice_id, connection_id) DO UPDATE SET configuration = excluded.configuration, sealed = excluded.sealed,
    complete_at = NULL, read_until = NULL, last_problem = NULL, ignored_parameters = '{}'
"""


async def save_connection(
    pool: "Pool", practice_id: str, connection_id: str, connection: Connection, sealed: bytes | None, now: datetime
) -> bool:
    """Make or change a connection; it is due at once. False when the id is another practice's.

    Raises `SenderTaken`.
    """
    sender = (
        (connection.sending_application, connection.sending_facility) if isinstance(connection, Hl7Connection) else ()
    )
    due_at = now if connection.kind == "fhir-r4" else None
    async with practice_scope(pool, practice_id) as database:
        try:
            owner = await database.fetchval(
                _OWN, connection_id, practice_id, connection.kind, due_at, *(sender or (None, None))
            )
        except asyncpg.UniqueViolationError:
            raise SenderTaken from None
        if owner is None:
            return False
        shown = without_secrets(connection)[0].model_dump_json()
        await database.execute(_SAVE, practice_id, connection_id, shown, sealed)
    return True


async def connections_of(pool: "Pool", practice_id: str) -> list[StoredConnection]:
    """All connections of a practice, by id."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM connection WHERE practice_id = $1 ORDER BY connection_id", practice_id
        )
    return [_connection(row) for row in rows]


async def connection_of(pool: "Pool", practice_id: str, connection_id: str) -> StoredConnection | None:
    """One connection; None when the practice has no such."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM connection WHERE practice_id = $1 AND connection_id = $2",
            practice_id,
            connection_id,
        )
    return None if row is None else _connection(row)


async def owner_of(pool: "Pool", connection_id: str) -> str | None:
    """The practice that a connection is of."""
    owner: str | None = await pool.fetchval(
        "SELECT practice_id FROM connection_owner WHERE connection_id = $1", connection_id
    )
    return owner


async def forget_connection(pool: "Pool", practice_id: str, connection_id: str) -> None:
    """Delete a connection and what we know by it. Its appointments stay where they were sent."""
    async with practice_scope(pool, practice_id) as connection:
        for table in (
            "known_appointment", "known_patient", "sync_run", "quarantined", "connection", "connection_owner",
        ):  # fmt: skip
            await connection.execute(
                f"DELETE FROM {table} WHERE practice_id = $1 AND connection_id = $2",
                practice_id,
                connection_id,
            )


def _connection(row: "Row") -> StoredConnection:
    return StoredConnection(*row)
