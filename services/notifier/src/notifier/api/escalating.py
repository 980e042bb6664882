"""Escalations: what goes on, and the ladder that they climb."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from notifier.api.dependencies import Ask, Staff, practice_id_of
from notifier.domain.escalation import Ladder
from notifier.storage.duty import arrangements_of, save_ladder
from notifier.storage.escalations import escalations_of
from shared_database import audit, practice_scope
from shared_schemas.staff_notifications import Escalation
from shared_web import Principal, administrator_of

Administrator = Annotated[Principal, Depends(administrator_of)]


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/escalations`, `/v1/practices/{practice_id}/escalation`."""
    router = APIRouter(prefix="/v1")

    @router.get("/escalations")
    async def escalations(
        caller: Staff, conversation_id: Annotated[str | None, Query(max_length=64)] = None
    ) -> list[Escalation]:
        """The practice's escalations that go on; of one conversation those that have ended too. The oldest first."""
        parts = dependencies()
        await parts.practice_for(caller)
        return await escalations_of(parts.pool, practice_id_of(caller), conversation_id)

    @router.get("/practices/{practice_id}/escalation")
    async def ladder(practice_id: str, _: Administrator) -> Ladder:
        """Whom a message rings that nobody sees, step by step."""
        async with practice_scope(dependencies().pool, practice_id) as connection:
            found = (await arrangements_of(connection, [practice_id])).get(practice_id)
        return found.ladder if found is not None else Ladder()

    @router.put("/practices/{practice_id}/escalation", status_code=HTTPStatus.NO_CONTENT)
    async def set_ladder(practice_id: str, caller: Administrator, body: Ladder) -> Response:
        """Set the steps. Without any, nobody is rung but the audience and their substitutes."""
        parts = dependencies()
        await audit(parts.pool, practice_id, caller, "save", "escalation-ladder")
        await save_ladder(parts.pool, practice_id, body, parts.clock())
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router
