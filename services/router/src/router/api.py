"""The router's HTTP API: routing settings, subscriptions, decisions."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pydantic_core import from_json

from router.compiling import compile_policy
from router.domain.coverage import Cell, coverage, lost
from router.explaining import explanation, reason_not_told
from router.publishing import SettingsPublisher
from router.storage.decision_records import decision_record_of
from router.storage.facts import directory_of
from router.storage.settings import current_settings, save_settings, settings_of_version, versions_of
from router.validation import Mistake, mistakes_in
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_web import Principal, Problem, administrator_of, bounded_body

if TYPE_CHECKING:
    from shared_database.pools import Pool

MOST_BYTES = 900_000
"""Settings become an event, and Kafka takes a megabyte."""

Administrator = Annotated[Principal, Depends(administrator_of)]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    pool: "Pool"
    publisher: SettingsPublisher
    clock: Callable[[], datetime]


def routes(dependencies: Callable[[], Dependencies]) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}")

    @router.get("/routing-settings", response_model=RoutingSettingsPublishedV1)
    async def read_settings(practice_id: str, _: Administrator) -> Response:
        settings = await current_settings(dependencies().pool, practice_id)
        if settings is None:
            raise Problem(HTTPStatus.NOT_FOUND, "This practice has no routing settings yet")
        return _answer(settings)

    @router.put("/routing-settings", response_model=RoutingSettingsPublishedV1)
    async def write_settings(
        practice_id: str,
        request: Request,
        caller: Administrator,
        if_match: Annotated[str | None, Header()] = None,
        *,
        dry_run: bool = False,
    ) -> Response:
        parts = dependencies()
        wanted = _read(practice_id, await bounded_body(request, MOST_BYTES))
        current = await current_settings(parts.pool, practice_id)
        over = 0 if current is None else current.version
        _check_precondition(if_match, over)
        saved = wanted.model_copy(update={"version": over + 1})
        if dry_run:
            return JSONResponse(
                {"settings": saved.model_dump(mode="json"), **await _warnings(parts.pool, current, saved)}
            )
        is_saved = await save_settings(parts.pool, saved, over=over, saved_by=caller.staff_id, saved_at=parts.clock())
        if not is_saved:
            raise _changed_meanwhile()
        parts.publisher.wake()
        return _answer(saved)

    @router.get("/routing-settings/versions")
    async def list_versions(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        return [
            {"version": one.version, "saved_at": one.saved_at, "saved_by": one.saved_by}
            for one in await versions_of(dependencies().pool, practice_id)
        ]

    @router.get("/routing-settings/versions/{version}", response_model=RoutingSettingsPublishedV1)
    async def read_version(practice_id: str, version: int, _: Administrator) -> Response:
        settings = await settings_of_version(dependencies().pool, practice_id, version)
        if settings is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such version")
        return _answer(settings)

    @router.get("/decisions/{message_id}")
    async def read_decision(
        practice_id: str, message_id: str, _: Administrator, staff_id: str | None = None
    ) -> dict[str, Any]:
        """The record of a decision (rule X1), in words; with `staff_id`, why that person was not told."""
        pool = dependencies().pool
        stored = await decision_record_of(pool, practice_id, message_id)
        if stored is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no decision about such a message")
        record: dict[str, Any] = from_json(stored)
        answer = record | {"explanation": explanation(record)}
        if staff_id is not None:
            used = await settings_of_version(pool, practice_id, record["result"]["settings_version"])
            policy = compile_policy(used or RoutingSettingsPublishedV1(practice_id=practice_id))
            answer["member"] = reason_not_told(record, policy, staff_id)
        return answer

    @router.get("/coverage")
    async def read_coverage(practice_id: str, _: Administrator) -> dict[str, Any]:
        """How many active members would be told, for every reason and location (rule X3)."""
        pool = dependencies().pool
        settings = await current_settings(pool, practice_id) or RoutingSettingsPublishedV1(practice_id=practice_id)
        return await _coverage(pool, settings)

    return router


async def _coverage(pool: "Pool", settings: RoutingSettingsPublishedV1) -> dict[str, Any]:
    cells = await _cells(pool, settings)
    return {
        "cells": [asdict(cell) for cell in cells],
        "empty": [asdict(cell) for cell in cells if not cell.people],
        "single": [asdict(cell) for cell in cells if len(cell.people) == 1],
    }


async def _warnings(
    pool: "Pool", before: RoutingSettingsPublishedV1 | None, after: RoutingSettingsPublishedV1
) -> dict[str, Any]:
    """What a change would leave without anybody (rule X3)."""
    known = await _cells(pool, before) if before is not None else ()
    cells = await _cells(pool, after)
    return {"warnings": [{"kind": "nobody_would_be_told", **asdict(cell)} for cell in lost(known, cells)]}


async def _cells(pool: "Pool", settings: RoutingSettingsPublishedV1) -> tuple[Cell, ...]:
    directory = await directory_of(pool, settings.practice_id)
    locations = [id_ for id_, place in directory.locations.items() if not place.is_retired]
    providers = [id_ for id_, place in directory.providers.items() if not place.is_retired]
    return coverage(compile_policy(settings), locations, providers)


def _answer(settings: RoutingSettingsPublishedV1) -> Response:
    return Response(
        settings.model_dump_json(), media_type="application/json", headers={"ETag": f'"{settings.version}"'}
    )


def _read(practice_id: str, body: bytes) -> RoutingSettingsPublishedV1:
    """The body as settings. Raises a 422 problem that points at every mistake; unknown keys are mistakes."""
    try:
        settings = RoutingSettingsPublishedV1.model_validate_json(body, extra="forbid")
    except ValidationError as error:
        raise _invalid([Mistake(one["loc"], one["msg"]) for one in error.errors(include_input=False)]) from None
    mistakes = mistakes_in(settings)
    if settings.practice_id != practice_id:
        mistakes.insert(0, Mistake(("practice_id",), "is not the practice of the address"))
    if mistakes:
        raise _invalid(mistakes)
    return settings


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


def _invalid(mistakes: list[Mistake]) -> Problem:
    errors = [{"pointer": one.pointer, "detail": one.detail} for one in mistakes]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "These are no valid routing settings", extensions={"errors": errors}
    )
