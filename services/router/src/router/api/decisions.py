"""The router's HTTP API of decisions: why one was made (X1), what one would be, and what others would have been (X2)."""

from collections.abc import AsyncGenerator
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json, to_json

from router.api.dependencies import Administrator, Ask
from router.api.settings import invalid
from router.compiling import compile_policy
from router.domain.sentences import Language
from router.explaining import explanation, reason_not_told
from router.simulating import Simulation, simulate
from router.storage.decision_records import decision_record_of, unrouted_messages
from router.storage.settings import settings_of_version
from router.validation import mistakes_in
from router.what_if import Span, what_if
from shared_database import audit
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.values import Instant
from shared_web import Problem


class WhatIf(BaseModel):
    """Which past messages, and by which settings; without settings every record only has to reproduce itself."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: Instant
    until: Instant | None = None
    settings: RoutingSettingsPublishedV1 | None = None


def routes(dependencies: Ask) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}")

    @router.get("/decisions/{message_id}")
    async def read_decision(
        practice_id: str, message_id: str, caller: Administrator, staff_id: str | None = None, language: Language = "en"
    ) -> dict[str, Any]:
        """The record of a decision (rule X1), in words; with `staff_id`, why that person was not told."""
        pool = dependencies().pool
        stored = await decision_record_of(pool, practice_id, message_id)
        if stored is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no decision about such a message")
        record: dict[str, Any] = from_json(stored)
        await audit(pool, practice_id, caller, "read", f"decision:{message_id}", [record["result"]["patient_id"]])
        used = await settings_of_version(pool, practice_id, record["result"]["settings_version"])
        settings = used or RoutingSettingsPublishedV1(practice_id=practice_id)
        answer = record | {"explanation": explanation(record, settings, language)}
        if staff_id is not None:
            answer["member"] = reason_not_told(record, compile_policy(settings), staff_id, language)
        return answer

    @router.get("/unrouted")
    async def list_unrouted(
        practice_id: str,
        caller: Administrator,
        before: Instant | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[dict[str, Any]]:
        """The messages that nobody could be told of (rule M4), the newest first; `before` pages on."""
        parts = dependencies()
        found = await unrouted_messages(parts.pool, practice_id, before or parts.clock(), limit)
        await audit(parts.pool, practice_id, caller, "list", "unrouted", (one.patient_id for one in found))
        return [asdict(one) for one in found]

    @router.post("/simulate")
    async def simulate_message(practice_id: str, wanted: Simulation, _: Administrator) -> dict[str, Any]:
        """What would become of a message like this one, and why. Nothing is sent and nothing is kept."""
        parts = dependencies()
        return await simulate(parts.pool, practice_id, wanted, parts.clock())

    @router.post("/what-if", response_class=StreamingResponse)
    async def what_if_stream(practice_id: str, wanted: WhatIf, caller: Administrator) -> StreamingResponse:
        """Past traffic by draft settings (rule X2): JSON lines of kind `progress`, `difference`, `unreproduced`, and one
        `summary` at the end.
        """
        parts = dependencies()
        if wanted.settings is not None and (mistakes := mistakes_in(wanted.settings)):
            raise invalid(mistakes)
        await audit(parts.pool, practice_id, caller, "replay", "decisions")
        span = Span(wanted.since, wanted.until or parts.clock())

        async def lines() -> AsyncGenerator[bytes]:
            async for line in what_if(parts.pool, practice_id, span, wanted.settings):
                yield to_json(line) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return router
