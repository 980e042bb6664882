"""What the scheduler does with a connection that is due."""

from datetime import timedelta

from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.configuration import CONNECTION, Connection, FhirConnection, with_secret
from pm_sync.feed import Parts
from pm_sync.runs import Runs
from pm_sync.storage.connections import StoredConnection, connection_of
from pm_sync.storage.keyed import Key
from pm_sync.storage.schedule import Due
from shared_database.sealing import Unopenable


class Asking:
    """Looks up how a connection is set up, and asks it."""

    def __init__(self, parts: Parts, runs: Runs) -> None:
        self._parts = parts
        self._runs = runs

    async def ask(self, due: Due) -> timedelta | None:
        """How often it is to be asked; None when there is nobody to ask. Raises `SourceProblem`."""
        stored = await connection_of(self._parts.pool, due.practice_id, due.connection_id)
        if stored is None:
            return None
        connection = opened(stored, due.practice_id, self._parts)
        if not isinstance(connection, FhirConnection):
            return None
        await self._runs.poll(Key(due.practice_id, due.connection_id), stored, connection)
        return connection.poll


def opened(stored: StoredConnection, practice_id: str, parts: Parts) -> Connection:
    """A connection as it works, with its secret. Raises `SourceProblem`."""
    connection = CONNECTION.validate_json(stored.configuration)
    if stored.sealed is None:
        return connection
    if parts.sealer is None:
        raise SourceProblem("the secret cannot be read: SWITCHBOARD_PM_SYNC_SECRET_KEY is not set")
    try:
        secret = parts.sealer.open(stored.sealed, practice_id, stored.connection_id)
    except Unopenable:
        raise SourceProblem("the secret was encrypted with another key: save the connection again with it") from None
    return with_secret(connection, secret.decode())
