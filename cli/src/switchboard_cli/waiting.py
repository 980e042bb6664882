"""Waits for what somebody else makes."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import OperationalError

from shared_database.migrations import ServiceSchema, is_migrated
from switchboard_cli.failures import Failed

PATIENCE_SECONDS = 600
_PAUSE_SECONDS = 1


def until_migrated(dsn: str, schemas: Sequence[ServiceSchema], say: Callable[[str, str], None]) -> None:
    """Return once every schema has what this code needs; a database that is not there yet is waited for too.

    Raises `Failed` after ten minutes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for schema in schemas:
        say("database", f"waiting for the schema of {schema.schema}")
        while not _is_migrated(dsn, schema):
            if time.monotonic() > deadline:
                message = f"nobody has migrated {schema.schema} in {PATIENCE_SECONDS} s: run switchboard migrate"
                raise Failed(message)
            time.sleep(_PAUSE_SECONDS)


def _is_migrated(dsn: str, schema: ServiceSchema) -> bool:
    try:
        return is_migrated(dsn, schema)
    except OperationalError:
        return False
