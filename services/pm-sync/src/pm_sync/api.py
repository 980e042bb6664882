"""pm-sync's HTTP API: connections, how they go, files, quarantine."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic_core import from_json

from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.asking import opened
from pm_sync.configuration import (
    CONNECTION,
    AnyConnection,
    Connection,
    CsvConnection,
    FhirConnection,
    needs_secret,
    without_secrets,
)
from pm_sync.feed import Parts, Tally
from pm_sync.quarantining import StillUnreadable, read_again
from pm_sync.runs import Refused, Runs
from pm_sync.status import status_of
from pm_sync.storage.connections import (
    SenderTaken,
    StoredConnection,
    connection_of,
    connections_of,
    forget_connection,
    save_connection,
)
from pm_sync.storage.keyed import Key
from pm_sync.storage.quarantine import count_quarantined, kept_item, quarantine_of, release
from pm_sync.storage.runs import runs_of
from pm_sync.storage.schedule import make_due
from shared_database import audit
from shared_database.sealing import Sealer
from shared_messaging import PublishFailed
from shared_web import Principal, Problem, administrator_of, bounded_body

Administrator = Annotated[Principal, Depends(administrator_of)]
ConnectionId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    parts: Parts
    runs: Runs
    wake: Callable[[], None]
    """Tells the scheduler that something is due."""


def routes(dependencies: Callable[[], Dependencies]) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}/pm-connections")
    _add_connections(router, dependencies)
    _add_runs(router, dependencies)
    _add_quarantine(router, dependencies)
    return router


def _add_connections(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.get("")
    async def list_connections(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        parts = dependencies().parts
        now = parts.clock()
        return [_shown(one) | {"status": status_of(one, now)} for one in await connections_of(parts.pool, practice_id)]

    @router.post("", status_code=HTTPStatus.CREATED)
    async def create_connection(
        practice_id: str, body: Annotated[AnyConnection, Body()], caller: Administrator, response: Response,
        *, dry_run: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Make a connection. `dry_run` makes none: it reads the source, and says what would be imported."""
        if dry_run:
            response.status_code = HTTPStatus.OK
            return await _preview(dependencies(), body)
        key = Key(practice_id, secrets.token_hex(8))
        await audit(dependencies().parts.pool, practice_id, caller, "save", f"pm-connection:{key.connection_id}")
        return await _save(dependencies(), key, body, None)

    @router.get("/{connection_id}")
    async def read_connection(practice_id: str, connection_id: ConnectionId, _: Administrator) -> dict[str, Any]:
        return _shown(await _existing(dependencies(), practice_id, connection_id))

    @router.put("/{connection_id}")
    async def write_connection(
        practice_id: str, connection_id: ConnectionId, body: Annotated[AnyConnection, Body()], caller: Administrator
    ) -> dict[str, Any]:
        """Make or change a connection. A secret that is left out stays as it is."""
        await audit(dependencies().parts.pool, practice_id, caller, "save", f"pm-connection:{connection_id}")
        before = await connection_of(dependencies().parts.pool, practice_id, connection_id)
        return await _save(dependencies(), Key(practice_id, connection_id), body, before)

    @router.delete("/{connection_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_connection(practice_id: str, connection_id: ConnectionId, caller: Administrator) -> Response:
        await _existing(dependencies(), practice_id, connection_id)
        await audit(dependencies().parts.pool, practice_id, caller, "delete", f"pm-connection:{connection_id}")
        await forget_connection(dependencies().parts.pool, practice_id, connection_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_runs(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.get("/{connection_id}/status")
    async def status(practice_id: str, connection_id: ConnectionId, _: Administrator) -> dict[str, Any]:
        """How fresh it is, its last runs, and how much waits in quarantine."""
        parts, key = dependencies().parts, Key(practice_id, connection_id)
        stored = await _existing(dependencies(), practice_id, connection_id)
        return status_of(stored, parts.clock()) | {
            "quarantined": await count_quarantined(parts.pool, key),
            "runs": [asdict(run) | {"counts": from_json(run.counts)} for run in await runs_of(parts.pool, key, 20)],
        }

    @router.post("/{connection_id}/sync-now", status_code=HTTPStatus.ACCEPTED)
    async def sync_now(
        practice_id: str, connection_id: ConnectionId, _: Administrator, response: Response, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Ask the source at once; `dry_run` only says what would be imported into an empty system."""
        stored = await _existing(dependencies(), practice_id, connection_id)
        connection = CONNECTION.validate_json(stored.configuration)
        if not isinstance(connection, FhirConnection):
            raise Problem(HTTPStatus.CONFLICT, "This connection cannot be asked: it waits for what is sent")
        if dry_run:
            response.status_code = HTTPStatus.OK
            return await _preview(dependencies(), opened(stored, practice_id, dependencies().parts))
        await make_due(dependencies().parts.pool, connection_id, dependencies().parts.clock())
        dependencies().wake()
        return {"id": connection_id, "due": True}

    @router.post("/{connection_id}/csv", max_body_size=MOST_BYTES)
    async def upload(
        practice_id: str, connection_id: ConnectionId, request: Request, caller: Administrator, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Take in a CSV file (the request's body) as the newest truth; `dry_run` says what would come of it."""
        stored = await _existing(dependencies(), practice_id, connection_id)
        connection = CONNECTION.validate_json(stored.configuration)
        if not isinstance(connection, CsvConnection):
            raise Problem(HTTPStatus.CONFLICT, "This connection takes no files")
        content = await bounded_body(request, MOST_BYTES)
        if not dry_run:
            await audit(dependencies().parts.pool, practice_id, caller, "upload", f"pm-connection:{connection_id}")
        try:
            tally = await dependencies().runs.take_csv(
                Key(practice_id, connection_id), connection, content, dry_run=dry_run
            )
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
        return _counted(tally) | {"dry_run": dry_run}


def _add_quarantine(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.get("/{connection_id}/quarantine")
    async def list_quarantine(
        practice_id: str, connection_id: ConnectionId, _: Administrator,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """What could not be taken, and why; the newest first."""
        await _existing(dependencies(), practice_id, connection_id)
        found = await quarantine_of(dependencies().parts.pool, Key(practice_id, connection_id), limit)
        return [asdict(one) for one in found]

    @router.post("/{connection_id}/quarantine/{item_id}/retry")
    async def retry(
        practice_id: str, connection_id: ConnectionId, item_id: ConnectionId, caller: Administrator
    ) -> dict[str, Any]:
        """Take an item after all, now that its cause is mended."""
        parts, key = dependencies().parts, Key(practice_id, connection_id)
        stored = await _existing(dependencies(), practice_id, connection_id)
        item = await kept_item(parts.pool, key, item_id)
        if item is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item")
        await audit(parts.pool, practice_id, caller, "retry", f"quarantined:{item_id}")
        try:
            page = read_again(key, CONNECTION.validate_json(stored.configuration), item, parts.sealer)
        except StillUnreadable as error:
            raise Problem(HTTPStatus.CONFLICT, "It still cannot be taken", detail=error.reason) from None
        await dependencies().runs.take_again(key, page)
        await release(parts.pool, key, [item_id])
        return {"id": item_id, "taken": True}

    @router.delete("/{connection_id}/quarantine/{item_id}", status_code=HTTPStatus.NO_CONTENT)
    async def discard(
        practice_id: str, connection_id: ConnectionId, item_id: ConnectionId, caller: Administrator
    ) -> Response:
        await _existing(dependencies(), practice_id, connection_id)
        await audit(dependencies().parts.pool, practice_id, caller, "delete", f"quarantined:{item_id}")
        await release(dependencies().parts.pool, Key(practice_id, connection_id), [item_id])
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def _save(
    dependencies: Dependencies, key: Key, connection: Connection, before: StoredConnection | None
) -> dict[str, Any]:
    parts = dependencies.parts
    _, secret = without_secrets(connection)
    sealed = before.sealed if before is not None else None
    if not needs_secret(connection):
        sealed = None
    elif secret is not None:
        sealed = _sealer(parts).seal(secret.encode(), key.practice_id, key.connection_id)
    elif sealed is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "auth.private_key_jwk is missing")
    try:
        is_ours = await save_connection(
            parts.pool, key.practice_id, key.connection_id, connection, sealed, parts.clock()
        )
    except SenderTaken:
        raise Problem(HTTPStatus.CONFLICT, "Another connection takes the messages of this sender") from None
    if not is_ours:
        raise Problem(HTTPStatus.CONFLICT, "This id is taken: choose another")
    dependencies.wake()
    return _shown(await _existing(dependencies, key.practice_id, key.connection_id))


async def _preview(dependencies: Dependencies, connection: Connection) -> dict[str, Any]:
    if not isinstance(connection, FhirConnection):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Only a connection that can be asked can be tried")
    if needs_secret(connection) and without_secrets(connection)[1] is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "auth.private_key_jwk is missing")
    try:
        tally, is_all = await dependencies.runs.preview(connection)
    except SourceProblem as problem:
        raise Problem(HTTPStatus.BAD_GATEWAY, "The source cannot be read", detail=problem.words) from None
    by_location = {location or "unknown": count for location, count in sorted(tally.places.items())}
    return _counted(tally) | {"dry_run": True, "complete": is_all, "appointments_by_location": by_location}


def _counted(tally: Tally) -> dict[str, Any]:
    return {
        "appointments": {
            "new": tally.new_appointments,
            "changed": tally.changed_appointments,
            "removed": tally.removed_appointments,
        },
        "patients": {"changed": tally.patients},
        "quarantined": tally.quarantined,
    }


def _sealer(parts: Parts) -> Sealer:
    if parts.sealer is None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "Secrets cannot be kept: SWITCHBOARD_PM_SYNC_SECRET_KEY is not set"
        )
    return parts.sealer


async def _existing(dependencies: Dependencies, practice_id: str, connection_id: str) -> StoredConnection:
    stored = await connection_of(dependencies.parts.pool, practice_id, connection_id)
    if stored is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such connection")
    return stored


def _shown(stored: StoredConnection) -> dict[str, Any]:
    """Without its secret; whether there is one is said."""
    shown = {"id": stored.connection_id, **from_json(stored.configuration)}
    return shown if stored.sealed is None else shown | {"has_secret": True}
