"""pm-sync's HTTP API: connections, their status, and files."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as PathParameter
from pydantic_core import from_json

from pm_sync.configuration import CsvConnection
from pm_sync.runs import Refused, Runs
from pm_sync.storage.connections import (
    StoredConnection,
    connection_of,
    connections_of,
    forget_connection,
    save_connection,
)
from shared_messaging import PublishFailed
from shared_web import Principal, Problem, administrator_of, bounded_body

if TYPE_CHECKING:
    from shared_database.pools import Pool

Administrator = Annotated[Principal, Depends(administrator_of)]
ConnectionId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    pool: "Pool"
    runs: Runs
    clock: Callable[[], datetime]


def routes(dependencies: Callable[[], Dependencies]) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}/pm-connections")

    @router.get("")
    async def list_connections(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        return [_shown(one) for one in await connections_of(dependencies().pool, practice_id)]

    @router.post("", status_code=HTTPStatus.CREATED)
    async def create_connection(practice_id: str, body: CsvConnection, _: Administrator) -> dict[str, Any]:
        pool, connection_id = dependencies().pool, secrets.token_hex(8)
        await save_connection(pool, practice_id, connection_id, body.model_dump_json())
        return _shown(await _existing(pool, practice_id, connection_id))

    @router.get("/{connection_id}")
    async def read_connection(practice_id: str, connection_id: ConnectionId, _: Administrator) -> dict[str, Any]:
        return _shown(await _existing(dependencies().pool, practice_id, connection_id))

    @router.put("/{connection_id}")
    async def write_connection(
        practice_id: str, connection_id: ConnectionId, body: CsvConnection, _: Administrator
    ) -> dict[str, Any]:
        pool = dependencies().pool
        if not await save_connection(pool, practice_id, connection_id, body.model_dump_json()):
            raise Problem(HTTPStatus.CONFLICT, "This id is taken: choose another")
        return _shown(await _existing(pool, practice_id, connection_id))

    @router.delete("/{connection_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_connection(practice_id: str, connection_id: ConnectionId, _: Administrator) -> Response:
        await _existing(dependencies().pool, practice_id, connection_id)
        await forget_connection(dependencies().pool, practice_id, connection_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.get("/{connection_id}/status")
    async def status(practice_id: str, connection_id: ConnectionId, _: Administrator) -> dict[str, Any]:
        parts = dependencies()
        stored = await _existing(parts.pool, practice_id, connection_id)
        fresh_for = None if stored.last_success_at is None else parts.clock() - stored.last_success_at
        return {
            "last_success_at": stored.last_success_at,
            "last_run_at": stored.last_run_at,
            "last_problem": stored.last_problem,
            "age_seconds": None if fresh_for is None else round(fresh_for.total_seconds(), 1),
        }

    @router.post("/{connection_id}/csv")
    async def upload(
        practice_id: str, connection_id: ConnectionId, request: Request, _: Administrator, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Take in a CSV file (the request's body) as the newest truth; `dry_run` says what would come of it."""
        parts = dependencies()
        stored = await _existing(parts.pool, practice_id, connection_id)
        configuration = CsvConnection.model_validate_json(stored.configuration)
        content = await bounded_body(request, MOST_BYTES)
        try:
            report = await parts.runs.take_csv(practice_id, connection_id, configuration, content, dry_run=dry_run)
        except Refused as refused:
            errors = [asdict(mistake) for mistake in refused.mistakes]
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "The file was not taken",
                detail=refused.problem,
                extensions={"errors": errors},
            ) from None
        except PublishFailed:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Kafka did not take it in time: upload it again") from None
        appointments = {
            "new": report.new_appointments,
            "changed": report.changed_appointments,
            "removed": report.removed_appointments,
        }
        return {"appointments": appointments, "patients": {"changed": report.patients}, "dry_run": dry_run}

    return router


async def _existing(pool: "Pool", practice_id: str, connection_id: str) -> StoredConnection:
    stored = await connection_of(pool, practice_id, connection_id)
    if stored is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such connection")
    return stored


def _shown(stored: StoredConnection) -> dict[str, Any]:
    return {"id": stored.connection_id, **from_json(stored.configuration)}
