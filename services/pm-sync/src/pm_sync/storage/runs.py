"""How runs went: what the status of a connection is made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pm_sync.storage.keyed import Key, execute, fetch, fetchval

if TYPE_CHECKING:
    from shared_database.pools import Pool

RunKind = Literal["full", "changes", "file", "messages"]
Outcome = Literal["succeeded", "failed", "refused"]
KEPT_RUNS = 50
"""Of each connection."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `problem` and `counts` have no patient data."""

    started_at: datetime
    ended_at: datetime
    kind: RunKind
    outcome: Outcome
    problem: str | None
    counts: str
    """JSON: how much of what there was."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run that succeeded came; None leaves it as it was."""

    complete_at: datetime | None = None
    read_until: datetime | None = None
    lag_seconds: float | None = None
    ignored_parameters: tuple[str, ...] | None = None


_SUCCEEDED = """
WITH told AS (
    UPDATE connection_owner SET last_success_at = greatest(last_success_at, $3), failures = 0
    WHERE practice_id = $1 AND connection_id = $2
)
UPDATE connection SET last_success_at = greatest(last_success_at, $3), last_run_at = $4, last_problem = NULL,
    complete_at = coalesce($5, complete_at), read_until = coalesce($6, read_until),
    lag_seconds = coalesce($7, lag_seconds), ignored_parameters = coalesce($8, ignored_parameters)
WHERE practice_id = $1 AND connection_id = $2
"""

_NOTE = """
WITH noted AS (
    INSERT INTO sync_run VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
)
DELETE FROM sync_run WHERE practice_id = $1 AND connection_id = $2 AND started_at <= (
    SELECT started_at FROM sync_run WHERE practice_id = $1 AND connection_id = $2
    ORDER BY started_at DESC OFFSET $9 LIMIT 1
)
"""


async def note_success(pool: "Pool", key: Key, run: Run, reached: Reached, *, as_of: datetime, is_noted: bool) -> None:
    """A run succeeded with the truth of `as_of`. It is listed among the runs if `is_noted`."""
    await execute(
        pool,
        key,
        _SUCCEEDED,
        as_of,
        run.ended_at,
        reached.complete_at,
        reached.read_until,
        reached.lag_seconds,
        reached.ignored_parameters,
    )
    if is_noted:
        await _note(pool, key, run)


async def note_problem(pool: "Pool", key: Key, run: Run) -> None:
    """A run did not succeed."""
    await execute(
        pool,
        key,
        "UPDATE connection SET last_problem = $3, last_run_at = $4 WHERE practice_id = $1 AND connection_id = $2",
        run.problem,
        run.ended_at,
    )
    await _note(pool, key, run)


async def note_refusal(pool: "Pool", key: Key, run: Run, as_of: datetime) -> None:
    """A complete reading was taken, and what was missing was not removed: changes go on from there."""
    await execute(
        pool,
        key,
        "UPDATE connection SET complete_at = $3, read_until = $3 WHERE practice_id = $1 AND connection_id = $2",
        as_of,
    )
    await note_problem(pool, key, run)


async def is_removal_refused(pool: "Pool", key: Key) -> bool:
    """Whether the newest complete reading was one whose removals were not believed."""
    outcome = await fetchval(
        pool,
        key,
        "SELECT outcome FROM sync_run WHERE practice_id = $1 AND connection_id = $2 AND kind = 'full' "
        "ORDER BY started_at DESC LIMIT 1",
    )
    return bool(outcome == "refused")


async def runs_of(pool: "Pool", key: Key, limit: int) -> list[Run]:
    """The newest runs, newest first."""
    rows = await fetch(
        pool,
        key,
        "SELECT started_at, ended_at, kind, outcome, problem, counts FROM sync_run "
        "WHERE practice_id = $1 AND connection_id = $2 ORDER BY started_at DESC LIMIT $3",
        limit,
    )
    return [Run(*row) for row in rows]


async def _note(pool: "Pool", key: Key, run: Run) -> None:
    """Keep the newest `KEPT_RUNS`, this one among them."""
    await execute(
        pool,
        key,
        _NOTE,
        run.started_at,
        run.ended_at,
        run.kind,
        run.outcome,
        run.problem,
        run.counts,
        KEPT_RUNS - 1,
    )
