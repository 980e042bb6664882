"""The router's HTTP API of routing settings, as administrators see them (rule V3)."""

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from router.api.dependencies import Administrator, Ask, places_of
from router.compiling import compile_policy
from router.differences import differences
from router.domain.coverage import Cell, coverage, lost
from router.storage.settings import current_settings, save_settings, settings_of_version, versions_of
from router.validation import Mistake, mistakes_in
from shared_database import audit
from shared_schemas.places import known_place, names_of
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_web import Principal, Problem, bounded_body

if TYPE_CHECKING:
    from shared_database.pools import Pool

MOST_BYTES = 900_000
"""Settings become an event, and Kafka takes a megabyte."""

IfMatch = Annotated[str | None, Header()]
Version = Annotated[int, Path(ge=0, le=2**31 - 1)]
Against = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


def routes(dependencies: Ask) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}")
    _add_reading(router, dependencies)
    _add_changing(router, dependencies)
    return router


def _add_reading(router: APIRouter, dependencies: Ask) -> None:
    @router.get("/routing-settings", response_model=RoutingSettingsPublishedV1)
    async def read_settings(practice_id: str, _: Administrator) -> Response:
        settings = await current_settings(dependencies().pool, practice_id)
        if settings is None:
            raise Problem(HTTPStatus.NOT_FOUND, "This practice has no routing settings yet")
        return _answer(settings)

    @router.get("/routing-settings/versions")
    async def list_versions(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        """All versions, the newest first: when, by whom, and which one it brought back."""
        return [asdict(one) for one in await versions_of(dependencies().pool, practice_id)]

    @router.get("/routing-settings/versions/{version}", response_model=RoutingSettingsPublishedV1)
    async def read_version(practice_id: str, version: Version, _: Administrator) -> Response:
        return _answer(await _version(dependencies().pool, practice_id, version))

    @router.get("/routing-settings/versions/{version}/changes")
    async def read_changes(
        practice_id: str, version: Version, _: Administrator, against: Against = None
    ) -> list[dict[str, Any]]:
        """What a version changed against the one before it, or against another one."""
        after = await _version(dependencies().pool, practice_id, version)
        base = version - 1 if against is None else against
        before = (
            await _version(dependencies().pool, practice_id, base)
            if base
            else RoutingSettingsPublishedV1(practice_id=practice_id)
        )
        return [asdict(one) for one in differences(before, after)]

    @router.get("/coverage")
    async def read_coverage(practice_id: str, _: Administrator) -> dict[str, Any]:
        """How many active members would be told, for every reason and location (rule X3)."""
        pool = dependencies().pool
        settings = await current_settings(pool, practice_id) or RoutingSettingsPublishedV1(practice_id=practice_id)
        cells = await _cells(pool, settings)
        return {
            "cells": [asdict(cell) for cell in cells],
            "empty": [asdict(cell) for cell in cells if not cell.people],
            "single": [asdict(cell) for cell in cells if len(cell.people) == 1],
        }


def _add_changing(router: APIRouter, dependencies: Ask) -> None:
    @router.put("/routing-settings", response_model=RoutingSettingsPublishedV1)
    async def write_settings(
        practice_id: str, request: Request, caller: Administrator, if_match: IfMatch = None, *, dry_run: bool = False
    ) -> Response:
        wanted = read_body(practice_id, await bounded_body(request, MOST_BYTES))
        return await _save(wanted, caller, if_match, dry_run=dry_run)

    @router.post("/routing-settings/versions/{version}/revert", response_model=RoutingSettingsPublishedV1)
    async def revert(
        practice_id: str, version: Version, caller: Administrator, if_match: IfMatch = None, *, dry_run: bool = False
    ) -> Response:
        """Bring a version back, as a new one."""
        wanted = await _version(dependencies().pool, practice_id, version)
        return await _save(wanted, caller, if_match, dry_run=dry_run, reverts=version)

    async def _save(
        wanted: RoutingSettingsPublishedV1,
        caller: Principal,
        if_match: str | None,
        *,
        dry_run: bool,
        reverts: int | None = None,
    ) -> Response:
        parts = dependencies()
        current = await current_settings(parts.pool, wanted.practice_id)
        over = 0 if current is None else current.version
        _check_precondition(if_match, over)
        saved = wanted.model_copy(update={"version": over + 1})
        if dry_run:
            return JSONResponse(
                {"settings": saved.model_dump(mode="json"), **await _warnings(parts.pool, current, saved)}
            )
        await audit(parts.pool, wanted.practice_id, caller, "save", f"routing-settings:{saved.version}")
        is_saved = await save_settings(
            parts.pool, saved, over=over, saved_by=caller.staff_id, saved_at=parts.clock(), reverts=reverts
        )
        if not is_saved:
            raise _changed_meanwhile()
        parts.publisher.wake()
        return _answer(saved)


async def _version(pool: "Pool", practice_id: str, version: int) -> RoutingSettingsPublishedV1:
    settings = await settings_of_version(pool, practice_id, version)
    if settings is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such version")
    return settings


async def _warnings(
    pool: "Pool", before: RoutingSettingsPublishedV1 | None, after: RoutingSettingsPublishedV1
) -> dict[str, Any]:
    """What a change would leave without anybody (rule X3)."""
    known = await _cells(pool, before) if before is not None else ()
    cells = await _cells(pool, after)
    return {"warnings": [{"kind": "nobody_would_be_told", **asdict(cell)} for cell in lost(known, cells)]}


async def _cells(pool: "Pool", settings: RoutingSettingsPublishedV1) -> tuple[Cell, ...]:
    locations, providers = await places_of(pool, settings.practice_id)
    return coverage(compile_policy(settings), list(locations), list(providers))


def _answer(settings: RoutingSettingsPublishedV1) -> Response:
    return Response(
        settings.model_dump_json(), media_type="application/json", headers={"ETag": f'"{settings.version}"'}
    )


def read_body(practice_id: str, body: bytes) -> RoutingSettingsPublishedV1:
    """The body as settings. Raises a 422 problem that points at every mistake; unknown keys are mistakes."""
    try:
        settings = RoutingSettingsPublishedV1.model_validate_json(body, extra="forbid")
    except ValidationError as error:
        names = names_of(RoutingSettingsPublishedV1)
        problems = error.errors(include_input=False)
        raise invalid([Mistake(tuple(known_place(one["loc"], names)), one["msg"]) for one in problems]) from None
    mistakes = mistakes_in(settings)
    if settings.practice_id != practice_id:
        mistakes.insert(0, Mistake(("practice_id",), "is not the practice of the address"))
    if mistakes:
        raise invalid(mistakes)
    return settings


def invalid(mistakes: list[Mistake]) -> Problem:
    """The problem that points at every mistake."""
    errors = [{"pointer": one.pointer, "detail": one.detail} for one in mistakes]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "These are no valid routing settings", extensions={"errors": errors}
    )


def _check_precondition(if_match: str | None, current: int) -> None:
    """RFC 9110 section 13: whoever changes settings says which version they have seen."""
    if current == 0:
        if if_match is not None:
            raise _changed_meanwhile()
    elif if_match is None:
        title = "Say which version you are changing: send its ETag as If-Match"
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, title)
    elif if_match.removeprefix("W/").strip('"') != str(current):
        raise _changed_meanwhile()


def _changed_meanwhile() -> Problem:
    return Problem(HTTPStatus.PRECONDITION_FAILED, "These settings have another version by now: read them again")
