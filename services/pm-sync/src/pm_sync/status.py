"""How a connection goes, in the form of the API."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pm_sync.configuration import CONNECTION, FhirConnection
from pm_sync.storage.connections import StoredConnection

State = Literal["new", "ok", "late", "failing"]

LATE_AFTER_POLLS = 5
LATE_FILE = timedelta(days=1)
"""Of sources that are not asked: rule L9's usual limit."""


def status_of(stored: StoredConnection, now: datetime) -> dict[str, Any]:
    """`age_seconds` is how old the newest complete truth is, `lag_seconds` how long the last news took to us."""
    age = None if stored.last_success_at is None else now - stored.last_success_at
    return {
        "state": state_of(stored, now),
        "last_success_at": stored.last_success_at,
        "last_run_at": stored.last_run_at,
        "last_problem": stored.last_problem,
        "age_seconds": None if age is None else round(age.total_seconds(), 1),
        "newest_data_at": stored.newest_data_at,
        "lag_seconds": stored.lag_seconds,
        "complete_at": stored.complete_at,
        "ignored_parameters": list(stored.ignored_parameters),
    }


def state_of(stored: StoredConnection, now: datetime) -> State:
    """`late` is one that has no problem that it knows of, and yet has not succeeded for too long."""
    if stored.last_problem is not None:
        return "failing"
    if stored.last_success_at is None:
        return "new"
    connection = CONNECTION.validate_json(stored.configuration)
    patience = LATE_FILE
    if isinstance(connection, FhirConnection):
        patience = max(LATE_AFTER_POLLS * connection.poll, timedelta(minutes=2))
    return "late" if now - stored.last_success_at > patience else "ok"
